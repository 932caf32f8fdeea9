"""A Modbus device, or a line of them, for tests: pymodbus 3.16, told over standard input what to hold and how to behave.

The argument is a TCP port, 0 for a free one, or the path of a serial line. The first line of standard input says what is
there, a JSON object:

    {"framer": "socket" | "rtu" | "ascii", "baud": 9600 | null, "units": [UNIT, ...]}
    UNIT: {"unit": 1, "coils": {"0": [true]}, "discrete_inputs": {}, "holding_registers": {}, "input_registers": {"30": [17096, 0]}}

Each key is an address, each value what stands from there on; other addresses do not exist. With `baud` an answer is sent
when question and answer would have passed a line of that speed at 11 bits a character: pseudo terminals have none.

Then it prints `ready PORT`. Every further line is a command and is answered with one line, `ok` unless said otherwise;
`unit` may be left out and is then the first for `set`, every one for `fault`:

    {"set": TABLE, "unit": U, "address": A, "values": [...]}   TABLE is the reading function code: 1 coils, 2 discrete inputs, 3 holding, 4 input
    {"fault": KIND | null, "unit": U, "times": N | null, ...}   below; null heals, times null is until healed
    {"reset": true}                                             every connection, now
    {"half_open": true}                                         connections of now are kept and never heard again; new ones are served
    {"wait": true}                                              until a serial line that was lost is open again
    {"requests": true}                                          answered with [[unit, function, address, count], ...] since the last time

Faults. The frames are pymodbus's own; what is distorted is distorted on its way out:

    silent                      takes the request and does not answer
    late         ms             answers after this time
    garbage      bytes          these bytes before the answer
    noise        bytes          these bytes instead of the answer
    checksum                    a wrong CRC or LRC
    short        length         only so many bytes of the answer
    transaction                 the transaction after the one asked for
    stranger     stranger       an answer that says it comes from this unit
    exception    code           this exception code
    close, reset                closes the connection instead of answering
"""

import asyncio
import json
import socket
import struct
import sys
from pathlib import Path

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.server.requesthandler import ServerRequestHandler
from pymodbus.simulator import DataType, SimData, SimDevice


class Unit:
    def __init__(self, description):
        self.id = description["unit"]
        self.fault = None
        self.setting = False
        # Bits are kept in sixteens by pymodbus, so their addresses are checked here.
        self.bits = {
            1: self.existing(description["coils"]),
            2: self.existing(description["discrete_inputs"]),
        }
        self.tables = (
            self.bit_table(description["coils"]),
            self.bit_table(description["discrete_inputs"]),
            self.register_table(description["holding_registers"]),
            self.register_table(description["input_registers"]),
        )

    @staticmethod
    def existing(blocks):
        return {int(a) + i for a, values in blocks.items() for i in range(len(values))}

    @staticmethod
    def register_table(blocks):
        table = [
            SimData(int(address), values=values, datatype=DataType.REGISTERS)
            for address, values in sorted(blocks.items(), key=lambda block: int(block[0]))
        ]
        return table or [SimData(65535, datatype=DataType.INVALID)]

    @staticmethod
    def bit_table(blocks):
        bits = {int(a) + i: value for a, values in blocks.items() for i, value in enumerate(values)}
        length = (max(bits, default=0) // 16 + 1) * 16
        return [SimData(0, values=[bits.get(a, False) for a in range(length)], datatype=DataType.BITS)]

    async def act(self, function, _start, address, _count, _registers, _values):
        if not self.setting and self.fault and self.fault["fault"] == "exception":
            return ExcCodes(self.fault["code"])
        return None

    def take_fault(self):
        fault = self.fault
        if fault and fault["times"] is not None:
            fault["times"] -= 1
            if fault["times"] == 0:
                self.fault = None
        return fault or {"fault": None}


class Line:
    def __init__(self, description):
        self.framer = description["framer"]
        self.baud = description["baud"]
        self.units = {unit.id: unit for unit in map(Unit, description["units"])}
        self.requests = []
        self.handlers = set()
        self.server = None
        self.serial = False
        self.endpoint = None
        self.reopening = None

    async def serve(self, endpoint):
        line, self.endpoint = self, endpoint
        devices = [SimDevice(unit.id, simdata=unit.tables, action=unit.act) for unit in self.units.values()]
        self.serial = not endpoint.isdecimal()
        base = ModbusSerialServer if self.serial else ModbusTcpServer

        class Server(base):
            def callback_new_connection(self):
                return Handler(self, line)

        if self.serial:
            self.server = Server(devices, framer=self.framer, port=endpoint, baudrate=self.baud or 9600)
        else:
            self.server = Server(devices, framer=self.framer, address=("127.0.0.1", int(endpoint)))
        await self.server.serve_forever(background=True)
        return 0 if self.serial else self.server.transport.sockets[0].getsockname()[1]

    async def reopen(self):
        """A serial line that was lost is taken again when it is back; pymodbus would not."""
        while not self.handlers:
            await asyncio.sleep(0.05)
            if Path(self.endpoint).exists() and await self.server.listen():
                break
        self.reopening = None

    def heard(self, sending, pdu):
        if not sending and pdu.dev_id in self.units:
            count = getattr(pdu, "count", 0) or 0
            self.requests.append([pdu.dev_id, pdu.function_code, getattr(pdu, "address", 0), count])
            table = {1: 1, 2: 2, 5: 1, 15: 1}.get(pdu.function_code)
            if table:
                wanted = range(pdu.address, pdu.address + max(count, 1))
                if not self.units[pdu.dev_id].bits[table].issuperset(wanted):
                    # Beyond every table: pymodbus answers with illegal data address.
                    pdu.address = 65535
        return pdu


class Handler(ServerRequestHandler):
    """pymodbus's own, but for what goes out."""

    def __init__(self, owner, line):
        super().__init__(owner, None, line.heard, self.connected)
        self.line = line
        self.deaf = False
        self.asked = 0

    def connected(self, is_connected):
        (self.line.handlers.add if is_connected else self.line.handlers.discard)(self)
        if self.line.serial and not is_connected and not self.line.reopening:
            self.line.reopening = self.loop.create_task(self.line.reopen())

    def callback_data(self, data, addr=None):
        if self.deaf:
            return len(data)
        self.asked = len(data)
        return super().callback_data(data, addr)

    async def handle_request(self):
        # Nobody answers for a unit that is not on a line; a TCP server says so.
        if self.last_pdu and (self.line.framer == "socket" or self.last_pdu.dev_id in self.line.units):
            await super().handle_request()

    def server_send(self, pdu, addr):
        unit = self.line.units.get(pdu.dev_id)
        fault = unit.take_fault() if unit else {"fault": None}
        kind = fault["fault"]
        if kind == "transaction":
            pdu.transaction_id = (pdu.transaction_id + 1) % 65536
        elif kind == "stranger":
            pdu.dev_id = fault["stranger"]
        frame = self.framer.buildFrame(pdu)
        if kind == "silent":
            return
        if kind in ("close", "reset"):
            self.end(kind)
            return
        if kind == "garbage":
            frame = bytes(fault["bytes"]) + frame
        elif kind == "noise":
            frame = bytes(fault["bytes"])
        elif kind == "short":
            frame = frame[: fault["length"]]
        elif kind == "checksum":
            frame = self.falsified(frame)
        delay = fault["ms"] / 1000 if kind == "late" else 0.0
        if self.line.baud:
            delay += 11 * (self.asked + len(frame)) / self.line.baud
        if delay:
            self.loop.call_later(delay, self.write, frame)
        else:
            self.write(frame)

    def falsified(self, frame):
        if self.line.framer == "ascii":
            last = b"0" if frame[-3:-2] != b"0" else b"1"
            return frame[:-3] + last + frame[-2:]
        return frame[:-1] + bytes([frame[-1] ^ 0xFF])

    def write(self, frame):
        if self.transport and not self.deaf:
            self.transport.write(frame)

    def end(self, kind):
        if kind == "reset":
            linger = struct.pack("ii", 1, 0)
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.transport.abort() if kind == "reset" else self.transport.close()


async def obey(line, command):
    chosen = [line.units[command["unit"]]] if "unit" in command else list(line.units.values())
    if "set" in command:
        unit = chosen[0]
        unit.setting = True
        try:
            await line.server.async_setValues(unit.id, command["set"], command["address"], command["values"])
        finally:
            unit.setting = False
    elif "fault" in command:
        kind = command["fault"]
        if kind == "checksum" and line.framer == "socket":
            return "Modbus TCP has no checksum"
        if kind == "transaction" and line.framer != "socket":
            return "only Modbus TCP has transactions"
        if kind in ("close", "reset") and line.serial:
            return "a serial line has no connection"
        for unit in chosen:
            unit.fault = {"times": None, **command} if kind else None
    elif "reset" in command:
        for handler in list(line.handlers):
            handler.end("reset")
    elif "half_open" in command:
        for handler in line.handlers:
            handler.deaf = True
    elif "wait" in command:
        while line.reopening or not line.handlers:
            await asyncio.sleep(0.01)
    elif "requests" in command:
        requests, line.requests = line.requests, []
        return json.dumps(requests)
    else:
        return f"unknown: {command}"
    return "ok"


async def main():
    loop = asyncio.get_running_loop()
    line = Line(json.loads(sys.stdin.readline()))
    print("ready", await line.serve(sys.argv[1]), flush=True)
    while command := await loop.run_in_executor(None, sys.stdin.readline):
        try:
            answer = await obey(line, json.loads(command))
        except Exception as error:  # the test shows it
            answer = f"{type(error).__name__}: {error}"
        print(answer, flush=True)
    await line.server.shutdown()


asyncio.run(main())
