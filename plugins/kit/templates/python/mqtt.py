"""An instrument that publishes JSON to a broker: `{"value": 12.5, "status": "ok"}`.

The instrument is an example that does not exist. Replace it by yours, here and in `cases/`.
"""

import json
import math

import tutin
from tutin import Failure, Samples, State, during
from wit_world.imports.client import Link

STATES = {"ok": State.VALID, "warm-up": State.WARM_UP, "calibration": State.CALIBRATION}


class Device(tutin.Device):
    SETTINGS = {
        "qos": {
            "type": "integer",
            "minimum": 0,
            "maximum": 2,
            "description": "Quality of service of the subscription.",
        },
    }

    def __init__(self, settings):
        """Subscribes to the topics that the configuration grants this device."""
        self.link = Link.open("main")
        self.link.subscribe(self.link.granted(), settings["qos"])

    def points(self):
        return [tutin.number("value", "[ppb]", "Concentration")]

    def poll(self, now):
        """A message wakes the poll, which takes what has come."""
        with during("messages"):
            incoming = self.link.receive(1000)
        if not incoming.connected and not incoming.messages:
            raise Failure(Failure.COMMUNICATION, "no connection to the broker")
        samples = Samples()
        for message in incoming.messages:
            value, state = decode(message.payload)
            samples.add(0, value, state, time=message.at)
        return samples.batch(more=incoming.more)


def decode(payload):
    """A message that cannot be read is a sample too: the instrument has spoken, and nobody knows what it measured."""
    try:
        message = json.loads(payload)
        return float(message["value"]), STATES.get(message["status"], State.FAULT)
    except (ValueError, KeyError, TypeError):
        return math.nan, State.FAULT


class Driver:
    def describe(self):
        return tutin.describe("{{name}}", "0.1.0", "mqtt", "the broker", Device.SETTINGS)
