"""A data logger that speaks HJ 212-2017 as the device side, for tests. Unlike the other peers it is OURS: no package for Python or Node was
found that does. It follows HJ 212-2017 (frame and CRC in 6.3 and appendix A); a mistake that it shares with our driver would not show here,
so frames that others made are tested beside the driver.

A frame is `##`, four decimal digits with the length of the data, the data, four upper-case hex digits of CRC, CR LF:

    ##0101QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;CP=&&RtdInterval=30&&1C80\\r\\n

The first line of standard input is a JSON object: `address` to connect to, `mn`, `password`, `st`, and `retry_ms`. Then it prints `ready`, connects,
and comes back after `retry_ms` whenever it is not connected. Every further line is a command and is answered with one line, `ok` unless said
otherwise:

    {"wait": true}              until it is connected
    {"push": CN, "data": CP, "flag": F, "qn": QN, "packets": [N, K], "fault": KIND, "chunk": BYTES}
                                sends data; answered with its QN. Left out are flag (5: an answer is asked for), qn (now), packets (packet K of N),
                                fault, and chunk (so many bytes at a time, a moment apart). Faults: crc, length, short, garbage (before it), twice
    {"raw": TEXT}               these characters
    {"answered": QN}            until 9014 came for it; `ok`, or `no` after a while
    {"log": CN, "entries": [[DATATIME, CP], ...]}   what a request for the history of 2031, 2051 or 2061 finds, oldest first
    {"requests": true}          answered with [[CN, QN, CP], ...] that came since the last time
    {"silent": BOOL}            whether it answers requests
    {"away": BOOL}              it closes, and stays away until false
    {"reset": true}             it resets the connection and comes back
"""

import asyncio
import json
import re
import socket
import struct
import sys
from datetime import datetime


def crc(data):
    """Not the CRC of Modbus: the high byte moves down before the next byte is joined to it, and it is sent high byte first."""
    register = 0xFFFF
    for byte in data:
        register = (register >> 8) ^ byte
        for _ in range(8):
            low = register & 1
            register >>= 1
            if low:
                register ^= 0xA001
    return register


def frame(data, fault=None):
    data = data.encode("ascii")
    length, check = len(data), crc(data)
    if fault == "length":
        length += 7
    if fault == "crc":
        check ^= 0x0101
    whole = b"##%04d%s%04X\r\n" % (length, data, check)
    if fault == "short":
        return whole[: len(whole) // 2]
    if fault == "garbage":
        return b"\x00\xff#1" + whole
    return whole + whole if fault == "twice" else whole


def fields(data):
    """The fields before CP, and what stands between the && of CP."""
    head, _, rest = data.partition("CP=&&")
    return dict(part.split("=", 1) for part in head.split(";") if "=" in part), rest.removesuffix("&&")


class Logger:
    def __init__(self, told):
        self.told = told
        self.writer = None
        self.connected = asyncio.Event()
        self.invited = asyncio.Event()
        self.invited.set()
        self.answered = {}
        self.requests = []
        self.log = {}
        self.silent = False
        self.last_qn = 0

    async def run(self):
        host, port = self.told["address"].rsplit(":", 1)
        while True:
            await self.invited.wait()
            try:
                reader, self.writer = await asyncio.open_connection(host, int(port))
                if self.invited.is_set():
                    self.connected.set()
                    await self.listen(reader)
            except OSError:
                pass
            self.connected.clear()
            if self.writer:
                self.writer.close()
                self.writer = None
            await asyncio.sleep(self.told["retry_ms"] / 1000)

    async def listen(self, reader):
        ahead = b""
        while chunk := await reader.read(4096):
            ahead += chunk
            while match := re.search(rb"##(\d{4})", ahead):
                end = match.end() + int(match[1])
                if len(ahead) < end + 6:
                    break
                data, check = ahead[match.end() : end], ahead[end : end + 6]
                ahead = ahead[end + 6 :]
                if check.upper() == b"%04X\r\n" % crc(data):
                    await self.take(data.decode("ascii"))

    async def take(self, data):
        head, cp = fields(data)
        cn, qn = int(head["CN"]), head["QN"]
        if cn == 9014:
            self.answered.setdefault(qn, asyncio.Event()).set()
            return
        self.requests.append([cn, qn, cp])
        if self.silent:
            return
        await self.write(self.answer(9011, qn, "QnRtn=1"))
        result = 1
        if cn in self.log:
            period = dict(part.split("=", 1) for part in re.split("[;,]", cp) if "=" in part)
            found = [entry for entry in self.log[cn] if period["BeginTime"] <= entry[0] <= period["EndTime"]]
            for time, entry in found:
                await self.write(frame(self.data(cn, f"DataTime={time};{entry}", 4, self.next_qn())))
            result = 1 if found else 100
        await self.write(self.answer(9012, qn, f"ExeRtn={result}"))

    def answer(self, cn, qn, cp):
        return frame(f"QN={qn};ST=91;CN={cn};PW={self.told['password']};MN={self.told['mn']};Flag=4;CP=&&{cp}&&")

    def data(self, cn, cp, flag, qn, packets=None):
        told = self.told
        of = f"PNUM={packets[0]};PNO={packets[1]};" if packets else ""
        return f"QN={qn};ST={told['st']};CN={cn};PW={told['password']};MN={told['mn']};Flag={flag};{of}CP=&&{cp}&&"

    def next_qn(self):
        """The time in milliseconds, and never the same twice."""
        now = int(datetime.now().strftime("%Y%m%d%H%M%S%f")[:17])
        self.last_qn = max(now, self.last_qn + 1)
        return str(self.last_qn)

    async def write(self, data, chunk=None):
        if not self.writer:
            raise ConnectionError("not connected")
        for begin in range(0, len(data), chunk or len(data)):
            self.writer.write(data[begin : begin + (chunk or len(data))])
            await self.writer.drain()
            if chunk:
                await asyncio.sleep(0.002)

    async def obey(self, command):
        if "wait" in command:
            await asyncio.wait_for(self.connected.wait(), 20)
        elif "push" in command:
            qn = command.get("qn") or self.next_qn()
            data = self.data(command["push"], command["data"], command.get("flag", 5), qn, command.get("packets"))
            await self.write(frame(data, command.get("fault")), command.get("chunk"))
            return qn
        elif "raw" in command:
            await self.write(command["raw"].encode("latin-1"))
        elif "answered" in command:
            try:
                await asyncio.wait_for(self.answered.setdefault(command["answered"], asyncio.Event()).wait(), command.get("for", 20))
            except asyncio.TimeoutError:
                return "no"
        elif "log" in command:
            self.log[command["log"]] = command["entries"]
        elif "requests" in command:
            requests, self.requests = self.requests, []
            return json.dumps(requests)
        elif "silent" in command:
            self.silent = command["silent"]
        elif "away" in command:
            if command["away"]:
                self.invited.clear()
                if self.writer:
                    self.writer.close()
            else:
                self.invited.set()
        elif "reset" in command:
            linger = struct.pack("ii", 1, 0)
            self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.writer.transport.abort()
        else:
            return f"unknown: {command}"
        return "ok"


async def main():
    loop = asyncio.get_running_loop()
    logger = Logger(json.loads(sys.stdin.readline()))
    running = loop.create_task(logger.run())
    print("ready", flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        try:
            answer = await logger.obey(json.loads(line))
        except Exception as error:  # the test shows it
            answer = f"{type(error).__name__}: {error}"
        print(answer, flush=True)
    running.cancel()


asyncio.run(main())
