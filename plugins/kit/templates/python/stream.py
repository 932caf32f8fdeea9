"""An instrument on a serial line or TCP that answers a line of text: `01 READ` is answered with `01 12.5 ppb OK`.

The instrument is an example that does not exist. Replace it by yours, here and in `cases/`.
"""

import tutin
from tutin import Failure, Samples, State, during
from wit_world.imports.client import Exchange, Framing, Link

STATES = {"OK": State.VALID, "WARM": State.WARM_UP, "CAL": State.CALIBRATION}


class Device(tutin.Device):
    SETTINGS = {
        "id": {"type": "integer", "minimum": 1, "maximum": 99, "description": "Address of the instrument on its line."},
    }

    def __init__(self, settings):
        """Opens the link and sends nothing: an instrument that is switched off must still open."""
        self.id = settings["id"]
        self.link = Link.open("main")
        self.link.frames(Framing(starts=[], ends=[b"\r"], trailer=0, length=None, gap_ms=0, longest=4096), False)

    def points(self):
        return [tutin.number("value", "[ppb]", "Concentration")]

    def poll(self, now):
        with during("READ"):
            request = f"{self.id:02} READ\r".encode()
            reply, = self.link.request(request, Exchange(echo=0, begins=[], frames=1, quiet_ms=0, timeout_ms=0))
        value, state = decode(reply, self.id)
        samples = Samples()
        samples.add(0, value, state)
        return samples.batch()


def decode(reply, id):
    """`01 12.5 ppb OK`: the instrument, the value, its unit, and what the instrument says of it."""
    try:
        of, value, unit, status = reply.decode("ascii").split()
        if (int(of), unit) == (id, "ppb"):
            return float(value), STATES.get(status, State.FAULT)
    except ValueError:
        pass
    raise Failure(Failure.DEVICE, f"READ: not a reply that this driver knows: {reply.hex(' ')}")


class Driver:
    def describe(self):
        return tutin.describe("{{name}}", "0.1.0", "stream", "the instrument", Device.SETTINGS)
