"""An instrument with Modbus: a concentration in holding registers 0 and 1, and a status word in 2.

The instrument is an example that does not exist. Replace it by yours, here and in `cases/`.
"""

import struct

import tutin
from tutin import Samples, State, during
from wit_world.imports.client import Link


class Device(tutin.Device):
    SETTINGS = {
        "word_order": {
            "enum": ["high_first", "low_first"],
            "description": "Which of the two words of a number comes first.",
        },
    }

    def __init__(self, settings):
        """Opens the link and sends nothing: an instrument that is switched off must still open."""
        self.word_order = settings["word_order"]
        self.link = Link.open("main")

    def points(self):
        return [tutin.number("value", "[ppb]", "Concentration")]

    def poll(self, now):
        """One request reads all."""
        with during("holding registers 0 to 2"):
            first, second, status = self.link.read_holding_registers(0, 3)
        high, low = (first, second) if self.word_order == "high_first" else (second, first)
        raw = high << 16 | low
        value, = struct.unpack(">f", raw.to_bytes(4))
        samples = Samples()
        samples.add(0, value, state(status), status=status, raw=raw)
        return samples.batch()


def state(status):
    """Bit 0: fault. Bit 1: maintenance. Bit 2: calibration. Any other bit is one that this driver does not know."""
    for bit, meaning in ((1, State.FAULT), (2, State.MAINTENANCE), (4, State.CALIBRATION)):
        if status & bit:
            return meaning
    return State.VALID if status == 0 else State.SUSPECT


class Driver:
    def describe(self):
        return tutin.describe("{{name}}", "0.1.0", "modbus", "the instrument", Device.SETTINGS)
