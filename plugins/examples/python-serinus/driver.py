"""Ecotech and Acoem Serinus gas analyzers over the Bayern-Hessen protocol, also called Gesytec.

The host asks `DA`, and every value of the instrument comes in one reply. A block check of two hexadecimal digits, the XOR of all
bytes from STX to ETX, follows the text:

    <STX>DA<ETX>04
    <STX>MD02 001 +2578+01 40 00 001 000045 002 +3581+01 40 00 002 000045 <ETX>2D
         |    |   |        |  `- error byte
         |    |   |        `- operation byte
         |    |   `- mantissa read as d.ddd, and exponent: 25.78
         |    `- address of the gas
         `- values in the reply
"""

import re
from functools import reduce
from operator import xor

import tutin
from tutin import Failure, Samples, State, during
from wit_world.imports.client import Exchange, Framing, Link

UNITS = {"ppb": "[ppb]", "ppm": "[ppm]"}

# Bits of operation byte x 256 + error byte, the worst first. The states are a proposal after NAMUR NE 107, no maker's word.
STATES = [
    (0x0001, State.FAULT),  # flow
    (0x0002, State.FAULT),  # instrument
    (0x0008, State.FAULT),  # lamp
    (0x0020, State.FAULT),  # cell heater
    (0x0200, State.MAINTENANCE),  # out of service
    (0x0400, State.CALIBRATION),  # zero
    (0x0800, State.CALIBRATION),  # span
    (0x8000, State.CALIBRATION),  # background
]
VOLUMETRIC = 0x4000
KNOWN = reduce(int.__or__, (bit for bit, _ in STATES), VOLUMETRIC)

# Address, value, operation byte, error byte, gas, six digits. The Serinus 10, 30 and 50 write no blank behind the error byte.
GROUP = re.compile(r"(\d{3}) ([+-])(\d)(\d{3})([+-]\d\d) ([0-9A-F]{2}) ([0-9A-F]{2}) ?\d{3} \d{6} ")


class Device(tutin.Device):
    SETTINGS = {
        "gases": {
            "type": "object",
            "additionalProperties": {"type": "integer", "minimum": 0, "maximum": 999},
            "description": 'The address of each gas, as the instrument\'s menu shows it: {"no": 1, "nox": 2}.',
        },
        "unit": {"enum": list(UNITS), "description": "The unit that the display shows."},
    }

    def __init__(self, settings):
        for gas in settings["gases"]:
            if not re.fullmatch("[a-z][a-z0-9_]{0,63}", gas):
                raise Failure(Failure.SETTINGS, f"settings.gases.{gas}: an id has lower case letters, digits and _")
        self.unit = UNITS[settings["unit"]]
        self.gases = settings["gases"]
        self.link = Link.open("main")
        framing = Framing(starts=[b"\x02"], ends=[b"\x03"], trailer=2, length=None, gap_ms=0, longest=200)
        self.link.frames(framing, False)

    def points(self):
        return [tutin.number(gas, self.unit, gas.upper()) for gas in self.gases]

    def poll(self, now):
        with during("DA"):
            exchange = Exchange(echo=0, begins=[b"\x02MD"], frames=1, quiet_ms=0, timeout_ms=0)
            reply, = self.link.request(frame("DA"), exchange)
        values = decode(reply)
        samples = Samples()
        for point, address in enumerate(self.gases.values()):
            value, status = values.get(address, (float("nan"), None))
            if status is None:
                raise Failure(Failure.DEVICE, f"DA: no value of address {address:03}")
            samples.add(point, value, state_of(status), status=status)
        return samples.batch()


def frame(text):
    """The text with what is put around it."""
    body = b"\x02" + text.encode() + b"\x03"
    return body + b"%02X" % reduce(xor, body)


def decode(reply):
    """The value and the status of each address."""
    text = reply[1:-3].decode("ascii", "replace")
    if frame(text) != reply:
        raise Failure(Failure.DEVICE, f"DA: the block check does not fit: {reply.hex(' ')}")
    count, _, groups = text.removeprefix("MD").partition(" ")
    found = list(GROUP.finditer(groups))
    if not count.isdigit() or len(found) != int(count) or "".join(group[0] for group in found) != groups:
        raise Failure(Failure.DEVICE, f"DA: not a reply that this driver knows: {text}")
    return {
        int(address): (float(f"{sign}{first}.{rest}e{exponent}"), int(operation + error, 16))
        for address, sign, first, rest, exponent, operation, error in (group.groups() for group in found)
    }


def state_of(status):
    """The worst of the bits that are set; one that is not in the table makes the value suspect, and so does a mass per volume."""
    for bit, state in STATES:
        if status & bit:
            return state
    return State.VALID if status & VOLUMETRIC and not status & ~KNOWN else State.SUSPECT


class Driver:
    def describe(self):
        models = ["Serinus 10", "Serinus 30", "Serinus 40", "Serinus 44", "Serinus 50"]
        return tutin.describe(
            "python-serinus", "0.1.0", "stream", "the instrument", Device.SETTINGS, vendor="Ecotech, Acoem", models=models
        )
