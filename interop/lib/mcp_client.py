"""The official Python MCP client, driven by lines: one question as JSON a line on standard input, one answer a line on standard output."""

import asyncio
import json
import sys

from mcp import Client, StdioServerParameters
from mcp.shared.exceptions import MCPError


def dump(value):
    return value.model_dump(mode="json", by_alias=True, exclude_none=True)


async def answer(client, question):
    what, params = question["ask"], question.get("params", {})
    if what == "tools":
        return dump(await client.list_tools())["tools"]
    if what == "resources":
        return dump(await client.list_resources())["resources"]
    if what == "templates":
        return dump(await client.list_resource_templates())["resourceTemplates"]
    if what == "prompts":
        return dump(await client.list_prompts())["prompts"]
    if what == "read":
        return dump(await client.read_resource(params["uri"], cache_mode="bypass"))
    if what == "prompt":
        return dump(await client.get_prompt(params["name"]))
    return dump(await client.call_tool(params["name"], params["arguments"], read_timeout_seconds=60))


async def main():
    given = json.loads(sys.argv[1])
    server = given.get("url") or StdioServerParameters(**given["stdio"])
    async with Client(server, mode=given["mode"]) as client:
        say = lambda value: print(json.dumps(value), flush=True)
        say({"good": {"name": client.server_info.name, "protocol": client.protocol_version}})
        while line := await asyncio.to_thread(sys.stdin.readline):
            try:
                say({"good": await answer(client, json.loads(line))})
            # Also what the client itself finds wrong with an answer, such as one that does not fit its schema.
            except (MCPError, RuntimeError, ValueError) as error:
                say({"bad": f"{type(error).__name__}: {error}"})


asyncio.run(main())
