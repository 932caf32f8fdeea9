"""A Modbus TCP device for tests: pymodbus 3.16, told over standard input what to hold and how to behave.

The first line of standard input is the map, a JSON object:

    {"unit": 1, "coils": {"0": [true]}, "discrete_inputs": {}, "holding_registers": {}, "input_registers": {"30": [17096, 0]}}

Each key is an address, each value what stands from there on; other addresses do not exist. Then it prints
`ready PORT`. Every further line is a command and is answered with one line, `ok` unless said otherwise:

    {"set": TABLE, "address": A, "values": [...]}   TABLE is the reading function code: 1 coils, 2 discrete inputs, 3 holding, 4 input
    {"silent": true}                                take requests and do not answer
    {"exception": CODE}                             answer everything with this code, 0 to end that
    {"requests": true}                              answered with [[function, address, count], ...] since the last time
"""

import asyncio
import json
import sys

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice


class Device:
    def __init__(self, description):
        self.unit = description["unit"]
        self.speaking = asyncio.Event()
        self.speaking.set()
        self.exception = 0
        self.requests = []
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
        await self.speaking.wait()
        if self.exception:
            return ExcCodes(self.exception)
        return None

    def trace(self, sending, pdu):
        if not sending:
            count = getattr(pdu, "count", 0) or 0
            self.requests.append([pdu.function_code, getattr(pdu, "address", 0), count])
            table = {1: 1, 2: 2, 5: 1, 15: 1}.get(pdu.function_code)
            if table:
                wanted = range(pdu.address, pdu.address + max(count, 1))
                if not self.bits[table].issuperset(wanted):
                    # Beyond every table: pymodbus answers with illegal data address.
                    pdu.address = 65535
        return pdu


async def main():
    loop = asyncio.get_running_loop()
    device = Device(json.loads(sys.stdin.readline()))
    server = ModbusTcpServer(
        SimDevice(device.unit, simdata=device.tables, action=device.act),
        address=("127.0.0.1", int(sys.argv[1])),
        trace_pdu=device.trace,
    )
    await server.serve_forever(background=True)
    print("ready", server.transport.sockets[0].getsockname()[1], flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        try:
            answer = await obey(server, device, json.loads(line))
        except Exception as error:  # the test shows it
            answer = f"{type(error).__name__}: {error}"
        print(answer, flush=True)
    await server.shutdown()


async def obey(server, device, command):
    if "set" in command:
        spoke, exception = device.speaking.is_set(), device.exception
        device.speaking.set()
        device.exception = 0
        await server.async_setValues(device.unit, command["set"], command["address"], command["values"])
        device.exception = exception
        if not spoke:
            device.speaking.clear()
    elif "silent" in command:
        device.speaking.clear() if command["silent"] else device.speaking.set()
    elif "exception" in command:
        device.exception = command["exception"]
    elif "requests" in command:
        requests, device.requests = device.requests, []
        return json.dumps(requests)
    else:
        return f"unknown: {command}"
    return "ok"


asyncio.run(main())
