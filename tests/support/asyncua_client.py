"""An OPC UA client for tests: asyncua 2.1, told over standard input what to ask. It shows that a server works for somebody else.

The first line of standard input is a JSON object: `url`, and `policy` (like "Aes256Sha256RsaPss"), `certificate`, `key`, `uri`, `user`,
`password` or null. Then it connects and prints `ready` or what went wrong. Every further line is a command, answered with one line of JSON:

    {"read": [NODE, ...]}                   [[value, status code, source time in Unix milliseconds], ...]
    {"children": NODE}                      {browse name without namespace: node id, ...}
    {"count": NODE}                         how many nodes are below it
    {"call": [OBJECT, METHOD, ARGUMENTS]}   what it returned
    {"history": [NODE, FROM, TO]}           [[value, source time], ...] between two Unix milliseconds
    {"watch": [NODE, ...], "ms": N}         [[node id, value, source time], ...] that came in this time, from a subscription every 100 ms
"""

import asyncio
import json
import logging
import sys
from datetime import datetime, timezone

from asyncua import Client, ua
from asyncua.crypto import security_policies


def ms(time):
    return None if time is None else round(time.replace(tzinfo=timezone.utc).timestamp() * 1000)


def when(ms):
    return datetime.fromtimestamp(ms / 1000, timezone.utc)


class Watch:
    def __init__(self):
        self.came = []

    def datachange_notification(self, node, value, data):
        self.came.append([node.nodeid.to_string(), value, ms(data.monitored_item.Value.SourceTimestamp)])


async def answer(client, command):
    if "read" in command:
        values = [await client.get_node(node).read_data_value(raise_on_bad_status=False) for node in command["read"]]
        return [[value.Value and value.Value.Value, value.StatusCode.value, ms(value.SourceTimestamp)] for value in values]
    if "children" in command:
        children = await client.get_node(command["children"]).get_children()
        return {(await child.read_browse_name()).Name: child.nodeid.to_string() for child in children}
    if "count" in command:
        count, ahead = 0, [client.get_node(command["count"])]
        while ahead:
            below = await client.browse_nodes(ahead)
            ahead = [client.get_node(r.NodeId) for _, result in below for r in result.References if r.IsForward and r.NodeClass in (1, 2)]
            count += len(ahead)
        return count
    if "call" in command:
        node, method, arguments = command["call"]
        return await client.get_node(node).call_method(ua.NodeId.from_string(method), *arguments)
    if "history" in command:
        node, begin, end = command["history"]
        values = await client.get_node(node).read_raw_history(when(begin), when(end))
        return [[value.Value.Value, ms(value.SourceTimestamp)] for value in values]
    if "watch" in command:
        watch = Watch()
        subscription = await client.create_subscription(100, watch)
        await subscription.subscribe_data_change([client.get_node(node) for node in command["watch"]], queuesize=100)
        await asyncio.sleep(command["ms"] / 1000)
        await subscription.delete()
        return watch.came
    raise ValueError(f"unknown: {command}")


async def main():
    logging.disable(logging.CRITICAL)
    loop = asyncio.get_running_loop()
    told = json.loads(sys.stdin.readline())
    client = Client(told["url"], timeout=10)
    if told["user"]:
        client.set_user(told["user"])
        client.set_password(told["password"])
    try:
        if told["policy"]:
            client.application_uri = told["uri"]
            policy = getattr(security_policies, "SecurityPolicy" + told["policy"])
            await client.set_security(policy, told["certificate"], told["key"])
        await client.connect()
    except Exception as error:
        print(f"{type(error).__name__}: {error}", flush=True)
        return
    print("ready", flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        try:
            print(json.dumps(await answer(client, json.loads(line))), flush=True)
        except Exception as error:  # the test shows it
            print(f"{type(error).__name__}: {error}", flush=True)
    await client.disconnect()


asyncio.run(main())
