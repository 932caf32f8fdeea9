"""What a driver in Python is written with, besides the bindings of the contract in `wit_world`.

A component has no standard error and no clock. So an exception that nobody caught becomes a failure that tells its text, and the time comes
with each poll.
"""

import functools
import json

from componentize_py_types import Err
from wit_world.exports import driver as contract
from wit_world.exports.driver import Batch, Description, LinkWant, Point
from wit_world.imports import log

__all__ = ["Device", "Failure", "Samples", "State", "check", "describe", "during", "number", "say"]


class State:
    """Codes of the contract."""

    VALID, CALIBRATION, MAINTENANCE, PURGE, WARM_UP, FAULT = range(6)
    COMM_ERROR, OVER_RANGE, UNDER_RANGE, SUSPECT, MANUAL, MISSING = range(6, 12)


class Failure(Exception):
    """Why a call could not do its work. The text says what and which: "READ: timeout"."""

    COMMUNICATION, DEVICE, SETTINGS, UNSUPPORTED, BUSY, INTERNAL = range(1, 7)

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


def describe(name, version, link, purpose, settings, vendor="", models=(), commands=(), features=0):
    """What the plugin is. `link` is the package of its link, as in "modbus"; `settings` the properties of its JSON Schema, all of which are
    required but those with a default."""
    wants = [LinkWant("main", f"tutin:{link}/client", purpose)]
    schema = json.dumps(_schema(settings))
    return Description(name, version, vendor, list(models), schema, wants, list(commands), features)


def number(name, unit, label):
    """A point with numbers."""
    return Point(name, label, unit, 0)


def say(text, level=3):
    """Writes a line to the hub's log: level 1 error, 2 warning, 3 information, 4 debug, 5 trace."""
    log.write(level, text)


class Samples:
    """The columns of a poll. What one sample has besides its value and state, all must have."""

    def __init__(self):
        self._rows = []

    def add(self, point, value, state=State.VALID, *, status=None, raw=None, time=None):
        """A value of a point, by the point's position; with the instrument's own status, the bits on the wire, and when it was measured."""
        self._rows.append((point, value, state, status, raw, time))

    def batch(self, more=False):
        """As the contract has it."""
        points, values, states, statuses, raws, times = ([row[at] for row in self._rows] for at in range(6))
        columns = [[cell for cell in column if cell is not None] for column in (statuses, raws, times)]
        return Batch(points, values, bytes(states), [], *columns, [], more, False)


_TYPES = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "array": list, "object": dict}


def check(name, value, schema):
    """Whether a value is what its schema says, as far as settings need JSON Schema; else a failure that names the member."""

    def wrong(why):
        return Failure(Failure.SETTINGS, f"{name}: {why}")

    kind = schema.get("type")
    if kind and (not isinstance(value, _TYPES[kind]) or isinstance(value, bool) != (kind == "boolean")):
        raise wrong(f"must be of type {kind}")
    if "enum" in schema and (isinstance(value, bool) or value not in schema["enum"]):
        raise wrong(f"must be one of {', '.join(map(str, schema['enum']))}")
    if "minimum" in schema and value < schema["minimum"]:
        raise wrong(f"must be at least {schema['minimum']}")
    if "maximum" in schema and value > schema["maximum"]:
        raise wrong(f"must be at most {schema['maximum']}")
    if kind == "array":
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            raise wrong(f"must have another number of members than {len(value)}")
        for at, item in enumerate(value):
            check(f"{name}[{at}]", item, schema.get("items", {}))
    if kind == "object":
        _check_members(name, value, schema)


def _check_members(name, value, schema):
    known, others = schema.get("properties", {}), schema.get("additionalProperties", {})
    for member in value:
        if member not in known and others is False:
            raise Failure(Failure.SETTINGS, f"{name}.{member}: unknown, expected one of {', '.join(known)}")
        check(f"{name}.{member}", value[member], known.get(member, others))
    for member in schema.get("required", ()):
        if member not in value:
            raise Failure(Failure.SETTINGS, f"{name}.{member}: missing")


def _schema(settings):
    """All members are required but those with a default."""
    required = [member for member, schema in settings.items() if "default" not in schema]
    return {"type": "object", "properties": settings, "required": required, "additionalProperties": False}


def _link_failure(error):
    """The code that an error of a link stands for."""
    case = type(error).__name__.removeprefix("Error_")
    text = str(getattr(error, "value", ""))
    return {
        "Timeout": (Failure.COMMUNICATION, "timeout"),
        "Closed": (Failure.COMMUNICATION, f"no connection: {text}"),
        "BadRequest": (Failure.SETTINGS, f"bad request: {text}"),
        "BadResponse": (Failure.DEVICE, f"bad response: {text}"),
        "Exception": (Failure.DEVICE, f"exception {text}"),
        "Status": (Failure.DEVICE, f"status {text}"),
    }.get(case, (Failure.DEVICE, text))


class during:
    """`with during("READ"):` turns an error of the link into a failure that begins so."""

    def __init__(self, what):
        self.what = what

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if isinstance(error, Err):
            code, text = _link_failure(error.value)
            raise Failure(code, f"{self.what}: {text}") from None
        return False


def _told(call):
    """The call, with what it raises as the contract has it."""

    @functools.wraps(call)
    def calling(*arguments):
        try:
            return call(*arguments)
        except Err:
            raise
        except Failure as failure:
            raise Err(contract.Failure(failure.code, str(failure))) from None
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
            raise Err(contract.Failure(Failure.INTERNAL, text)) from None

    return calling


class Device:
    """What every device has. A driver defines `SETTINGS`, the properties of their JSON Schema, against which they are checked, then
    `__init__(settings)`, `points` and `poll`, and the others when it can."""

    SETTINGS = {}

    def __init_subclass__(cls):
        for name in ("poll", "backfill", "command", "restore"):
            setattr(cls, name, _told(getattr(cls, name)))

    @classmethod
    def open(cls, settings):
        @_told
        def opened():
            members = json.loads(settings)
            check("settings", members, _schema(cls.SETTINGS))
            return cls(members)

        return opened()

    def backfill(self, begin, end, next):
        raise Failure(Failure.UNSUPPORTED, "this driver has no backfill")

    def command(self, name, arguments):
        raise Failure(Failure.UNSUPPORTED, f'this driver has no command "{name}"')

    def snapshot(self):
        return b""

    def restore(self, state):
        raise Failure(Failure.UNSUPPORTED, "this driver has no snapshots")
