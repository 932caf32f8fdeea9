"""An instrument with an OPC UA server: the value of one variable, with the status that the server gives it.

The instrument is an example that does not exist. Replace it by yours, here and in `cases/`.
"""

import math
import struct

import tutin
from tutin import Failure, Samples, State, during
from wit_world.imports import client
from wit_world.imports.client import Link, Node

VALUE = 13  # The attribute of that name (OPC 10000-6, annex A).


class Device(tutin.Device):
    SETTINGS = {
        "node": {"type": "string", "description": "The variable that is read, as in nsu=http://vendor.example/;s=NO."},
        "unit": {"type": "string", "description": "UCUM code of its unit, as in [ppb]."},
    }

    def __init__(self, settings):
        """Opens the link and asks nothing: a server that is switched off must still open."""
        namespace, separator, identifier = settings["node"].removeprefix("nsu=").partition(";")
        if not separator or "=" not in identifier:
            raise Failure(Failure.SETTINGS, "settings.node: must be nsu=URI;s=NAME (or i=, g=, b=)")
        self.node = Node(namespace, identifier)
        self.unit = settings["unit"]
        self.link = Link.open("main")

    def points(self):
        return [tutin.number("value", self.unit, "Concentration")]

    def poll(self, now):
        with during("reading"):
            answer, = self.link.read([self.node], VALUE)
        state = state_of(answer.status)
        value, raw = number(answer.value)
        if raw is None and state == State.VALID:
            raise Failure(Failure.DEVICE, "the variable is good, and no number")
        samples = Samples()
        samples.add(0, value, state, status=answer.status, raw=raw or 0, time=answer.source_time or None)
        return samples.batch()


def number(value):
    """A number as it is, and its bits."""
    match value:
        case client.Value_Float(value=number):
            return number, int.from_bytes(struct.pack(">f", number))
        case client.Value_Double(value=number):
            return number, int.from_bytes(struct.pack(">d", number))
        case client.Value_Integer(value=number) | client.Value_Unsigned(value=number):
            return float(number), number % 2**64
        case _:
            return math.nan, None


def state_of(status):
    """The two highest bits of a status: 0 good, 1 uncertain, 2 bad."""
    return {0: State.VALID, 1: State.SUSPECT}.get(status >> 30, State.FAULT)


class Driver:
    def describe(self):
        return tutin.describe("{{name}}", "0.1.0", "opcua", "the instrument's server", Device.SETTINGS)
