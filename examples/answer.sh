#!/bin/sh
# Answers the questions of agents you know: `answer.sh PROGRAM [ARGUMENT...]` gives each to the program, and sends what it prints.
set -u
[ $# -gt 0 ] || { sed -n 2p "$0"; exit 2; }
url=${OCMESH_URL:-http://localhost:7432} later=$(mktemp -d)
trap 'rm -r "$later"' EXIT && trap exit INT TERM

# send PEER QUESTION: the answer on standard input. The key makes sure that an answer sent twice is one message.
send() {
    jq -Rsc --arg to "$1" --arg question "$2" '{to: $to, reply_to: $question, origin: "agent", idempotency_key: "answer-\($question)",
        content: (sub("\\s+$"; "")[:4096] | if . == "" then "I have no answer." else . end)}' |
        curl -s -m 90 -o /dev/null -w '%{http_code} %header{retry-after}' -H 'content-type: application/json' -d @- "$url/send"
}

while sleep 1; do
    inbox=$(curl -sSf -m 90 "$url/messages?unread=true&wait=50") || continue
    for id in $(printf '%s' "$inbox" | jq -r 'reverse[].id'); do
        [ "$(cat "$later/$id" 2>/dev/null || echo 0)" -le "$(date +%s)" ] || continue
        message=$(printf '%s' "$inbox" | jq -c --arg id "$id" '.[] | select(.id == $id)')
        peer=$(printf '%s' "$message" | jq -r 'select(.type == "text" and (.trust == "known" or .trust == "trusted")).from')
        said=$([ -z "$peer" ] || printf '%s' "$message" | jq -j .content | "$@" | send "$peer" "$id")
        case $said in # The status, and how long to wait. A refusal without a pause stays one.
            [05]* | 429*) pause=${said#* } && echo "$(($(date +%s) + ${pause:-5}))" >"$later/$id" && echo "$id $said" && continue ;;
        esac
        curl -sSf -m 90 -o /dev/null -H 'content-type: application/json' -d "{\"ids\":[\"$id\"]}" "$url/messages/read"
    done
done
