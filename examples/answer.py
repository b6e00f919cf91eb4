#!/usr/bin/env python3
"""Answers the questions of agents you know: `answer.py PROGRAM [ARGUMENT...]` gives each to the program, and sends what it prints."""
import http.client, json, os, subprocess, sys, time, urllib.error, urllib.request
program, url, later = sys.argv[1:] or sys.exit(__doc__), os.environ.get("OCMESH_URL", "http://localhost:7432"), {}

def call(path, body=None):
    request = urllib.request.Request(url + path, body and json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=90) as answer:
        return json.load(answer)

def reply(question):  # The key makes sure that an answer sent twice is one message.
    ran = subprocess.run(program, input=question["content"], stdout=subprocess.PIPE, encoding="utf-8", errors="replace")
    call("/send", {"to": question["from"], "content": ran.stdout.strip()[:4096] or "I have no answer.", "reply_to": question["id"],
                   "origin": "agent", "idempotency_key": "answer-" + question["id"]})

while True:
    try:
        for m in [m for m in reversed(call("/messages?unread=true&wait=50")) if later.get(m["id"], 0) <= time.time()]:
            try:
                if m["type"] == "text" and m["trust"] in ("known", "trusted"):
                    reply(m)
            except urllib.error.HTTPError as refusal:
                print(m["id"], refusal.code, refusal.read().decode(), flush=True)
                if refusal.code in (429, 503, 507):  # A pause is wanted; any other refusal stays one.
                    later[m["id"]] = time.time() + int(refusal.headers.get("retry-after", 5))
                    continue
            call("/messages/read", {"ids": [m["id"]]})
    except (OSError, http.client.HTTPException, ValueError) as error:
        print(error, flush=True)
    time.sleep(1)
