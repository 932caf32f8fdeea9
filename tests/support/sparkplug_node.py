"""A Sparkplug B edge node for tests: payloads, topics and MQTT are those of pysparkplug 0.6, which others wrote; what it does and when is
told over standard input. (pysparkplug's own EdgeNode cannot be born again in a session, and its death has not the number of its birth.)

The first line of standard input is a JSON object:

    port, group, node
    tls                 {"ca": FILE, "certificate": FILE, "key": FILE} or null
    user, password      or null
    metrics             of the node: [{"name": N, "type": "DOUBLE", "alias": 1 | null, "value": V}, ...]
    devices             {NAME: [METRIC, ...], ...}

Then it connects, is born with all its devices, and prints `ready`. A request for a rebirth is followed. Every further line is a command and is
answered with one line, `ok` unless said otherwise; `device` is null for the node itself:

    {"data": DEVICE, "values": {NAME: V | null}, "at": MS, "historical": BOOL, "by": "alias" | "name"}
                            null is a metric that has no value now; by alias the name is left out, as is the type always
    {"skip": N}             this many messages seem to be lost
    {"birth": true}         all births again
    {"device_birth": D}, {"device_death": D}
    {"obedient": BOOL}      whether a request for a rebirth is followed
    {"die": true}           its death is published, and it leaves
    {"connect": true}       it comes back, as a new life with the next bdSeq
    {"commands": true}      answered with [[topic, {NAME: V}], ...] since the last time
"""

import json
import sys
import threading

from pysparkplug import (
    Client,
    DataType,
    DBirth,
    DData,
    DDeath,
    Message,
    MessageType,
    Metric,
    NBirth,
    NData,
    NDeath,
    QoS,
    TLSConfig,
    Topic,
    get_current_timestamp,
)

REBIRTH = "Node Control/Rebirth"


class Node:
    def __init__(self, told):
        self.told = told
        self.lock = threading.RLock()
        self.born = threading.Event()
        self.seq = 0
        self.life = self.next_life = 0
        self.obedient = True
        self.commands = []
        self.metrics = {None: told["metrics"] + [{"name": REBIRTH, "type": "BOOLEAN", "alias": None, "value": False}], **told["devices"]}
        tls = told["tls"]
        config = TLSConfig(ca_certs=tls["ca"], certfile=tls["certificate"], keyfile=tls["key"]) if tls else None
        self.client = Client(username=told["user"], password=told["password"], transport_config=config)
        for kind, device in [(MessageType.NCMD, None), *((MessageType.DCMD, device) for device in told["devices"])]:
            self.client.subscribe(self.topic(kind, device), QoS.AT_LEAST_ONCE, self.ordered)

    def topic(self, kind, device=None):
        return Topic(message_type=kind, group_id=self.told["group"], edge_node_id=self.told["node"], device_id=device)

    def number(self, life):
        return Metric(timestamp=get_current_timestamp(), name="bdSeq", datatype=DataType.INT64, value=life)

    def death(self, life, qos=QoS.AT_LEAST_ONCE):
        payload = NDeath(timestamp=get_current_timestamp(), bd_seq_metric=self.number(life))
        return Message(topic=self.topic(MessageType.NDEATH), payload=payload, qos=qos, retain=False)

    def connect(self):
        self.born.clear()
        self.client.set_will(self.death(self.next_life))
        self.client.connect("127.0.0.1", port=self.told["port"], keepalive=5, callback=self.connected)
        if not self.born.wait(20):
            raise TimeoutError("the broker does not answer")

    def connected(self, client):
        """Also when the broker was away: the death of that life is already with the broker, and the next one's is prepared."""
        with self.lock:
            self.life, self.next_life = self.next_life, (self.next_life + 1) % 256
            client.set_will(self.death(self.next_life))
            self.birth()
            self.born.set()

    def send(self, kind, device, payload):
        message = Message(topic=self.topic(kind, device), payload=payload, qos=QoS.AT_MOST_ONCE, retain=False)
        self.client.publish(message)

    def next_seq(self):
        seq, self.seq = self.seq, (self.seq + 1) % 256
        return seq

    def birth(self):
        with self.lock:
            self.seq = 0
            for device in self.metrics:
                self.birth_of(device)

    def birth_of(self, device):
        now = get_current_timestamp()
        metrics = tuple(
            Metric(timestamp=now, name=m["name"], datatype=DataType[m["type"]], alias=m["alias"], value=m["value"])
            for m in self.metrics[device]
        )
        if device is None:
            self.send(MessageType.NBIRTH, None, NBirth(timestamp=now, seq=self.next_seq(), metrics=(self.number(self.life), *metrics)))
        else:
            self.send(MessageType.DBIRTH, device, DBirth(timestamp=now, seq=self.next_seq(), metrics=metrics))

    def data(self, command):
        device, at = command["data"], command.get("at") or get_current_timestamp()
        known = {m["name"]: m for m in self.metrics[device]}
        metrics = []
        for name, value in command["values"].items():
            known[name]["value"] = value
            by_alias = command.get("by", "alias") == "alias" and known[name]["alias"] is not None
            metrics.append(
                Metric(
                    timestamp=at,
                    name=None if by_alias else name,
                    alias=known[name]["alias"] if by_alias else None,
                    datatype=DataType[known[name]["type"]],
                    value=value,
                    is_historical=command.get("historical", False),
                )
            )
        kind, payload = (MessageType.NDATA, NData) if device is None else (MessageType.DDATA, DData)
        self.send(kind, device, payload(timestamp=get_current_timestamp(), seq=self.next_seq(), metrics=tuple(metrics)))

    def ordered(self, _client, message):
        with self.lock:
            values = {metric.name: metric.value for metric in message.payload.metrics}
            self.commands.append([str(message.topic), values])
            if values.get(REBIRTH) and self.obedient:
                self.birth()

    def die(self):
        # At most once: unanswered before it leaves, the message would be sent again in the next life.
        self.client.publish(self.death(self.life, QoS.AT_MOST_ONCE))
        self.client.disconnect()

    def obey(self, command):
        if "data" in command:
            self.data(command)
        elif "skip" in command:
            self.seq = (self.seq + command["skip"]) % 256
        elif "birth" in command:
            self.birth()
        elif "device_birth" in command:
            self.birth_of(command["device_birth"])
        elif "device_death" in command:
            self.send(
                MessageType.DDEATH, command["device_death"], DDeath(timestamp=get_current_timestamp(), seq=self.next_seq())
            )
        elif "obedient" in command:
            self.obedient = command["obedient"]
        elif "die" in command:
            self.die()
        elif "connect" in command:
            self.connect()
        elif "commands" in command:
            commands, self.commands = self.commands, []
            return json.dumps(commands)
        else:
            return f"unknown: {command}"
        return "ok"


def main():
    node = Node(json.loads(sys.stdin.readline()))
    try:
        node.connect()
    except Exception as error:
        print(f"{type(error).__name__}: {error}", flush=True)
        return
    print("ready", flush=True)
    for line in sys.stdin:
        try:
            command = json.loads(line)
            if "connect" in command:
                answer = node.obey(command)
            else:
                with node.lock:
                    answer = node.obey(command)
        except Exception as error:  # the test shows it
            answer = f"{type(error).__name__}: {error}"
        print(answer, flush=True)


main()
