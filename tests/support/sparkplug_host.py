"""A Sparkplug B host for tests: pysparkplug 0.6 decodes what a node sends. The argument is the broker's port on the loopback interface; the first
line of standard input is an empty JSON object. Then it prints `ready`; every further line is a command:

    {"next": true}          the next message as [kind, device, seq, [[name, alias, value, time, historical, null], ...]], waited for up to 20 s
    {"rebirth": true}       asks the node `edge` of group `plant` to be born again
"""

import json
import queue
import sys
import threading

from paho.mqtt import client as paho
from pysparkplug import DataType, MessageType, Metric, NCmd, Topic, get_current_timestamp
from pysparkplug._protobuf import Payload

messages = queue.Queue()
ready = threading.Event()


def row(metric):
    value = metric.WhichOneof("value")
    return [
        metric.name if metric.HasField("name") else None,
        metric.alias if metric.HasField("alias") else None,
        getattr(metric, value) if value else None,
        metric.timestamp,
        metric.is_historical,
        metric.is_null,
    ]


def take(_client, _data, mqtt):
    # The bare payload on purpose: what is seen is what was sent, not what the births add to it.
    topic = Topic.from_str(mqtt.topic)
    if topic.message_type != MessageType.NCMD:
        payload = Payload.FromString(mqtt.payload)
        seq = payload.seq if payload.HasField("seq") else None
        messages.put([topic.message_type.value, topic.device_id, seq, [row(metric) for metric in payload.metrics]])


def main():
    sys.stdin.readline()
    client = paho.Client()
    client.on_message = take
    client.on_connect = lambda client, *_: client.subscribe("spBv1.0/plant/#", 1)
    client.on_subscribe = lambda *_: ready.set()
    client.connect("127.0.0.1", int(sys.argv[1]))
    client.loop_start()
    print("ready" if ready.wait(20) else "the broker does not answer", flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        if "next" in command:
            try:
                print(json.dumps(messages.get(timeout=20)), flush=True)
            except queue.Empty:
                print("nothing came", flush=True)
        elif "rebirth" in command:
            now = get_current_timestamp()
            metric = Metric(timestamp=now, name="Node Control/Rebirth", datatype=DataType.BOOLEAN, value=True)
            client.publish("spBv1.0/plant/NCMD/edge", NCmd(timestamp=now, metrics=(metric,)).encode(include_dtypes=True), 1)
            print("ok", flush=True)


main()
