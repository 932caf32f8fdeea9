"""An OPC UA server for tests: asyncua 2.1, told over standard input what to hold and how to behave.

The arguments are a port of the loopback interface and the folder of the NodeSet2 files. The first line of standard input
says what is there, a JSON object:

    epoch, period_ms    tick N is at epoch (Unix milliseconds) plus N times the period
    items               how many variables `s=item.K` change at each tick: value N (UInt32), source time that of the tick
    history             of as many `s=history.K` (Double, N + K / 8) every tick since `history_from` (a tick) can be read: a logger
                        of its own keeps them while the server is down
    browse              how many constant variables `s=browse.F.V` there are, 100 to a folder
    folder              with server.der, server.pem; `trusted` in it has the client certificates that are let in and `rejected`
                        gets the others; without it there is no security
    only_secure         no endpoint without security
    user, password      the only one let in; without them anybody is
    other_namespaces    how many namespaces stand before the plant's, `urn:tutin:test:nodes`
    adi                 whether the DI and ADI models and an analyser after them are there

Then it prints `ready`. Besides, `s=sum` of object `s=plant` is a method that adds two Doubles. Every further line is a command and is
answered with one line, `ok` unless said otherwise. PATH is a node id in the plant's namespace like `s=item.1`, or browse names
without namespaces from the Objects folder on, like `DeviceSet/Analyser/DeviceHealth`:

    {"set": PATH, "value": V, "status": CODE, "at": MS}     each of the last three may be left out; items are free of ticks from then on
    {"silent": true}        takes what comes and does not answer, also on new connections; false closes all and answers again
    {"publish": false}      subscriptions send nothing, not even that they live; true lets them go on
    {"drop": true}          resets every connection; sessions and subscriptions live on
    {"tick": true}          answered with the number of the last tick
"""

import asyncio
import json
import logging
import socket
import struct
import sys
import time
import xml.etree.ElementTree as ElementTree
from datetime import datetime, timedelta, timezone
from pathlib import Path

from asyncua import Server, ua
from asyncua.common.instantiate_util import instantiate
from asyncua.common.methods import uamethod
from asyncua.common.utils import ServiceError
from asyncua.crypto import uacrypto
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.crypto.validator import CertificateValidator
from asyncua.server.binary_server_asyncio import OPCUAProtocol
from asyncua.server.internal_subscription import InternalSubscription

APPLICATION = "urn:tutin:test:plant"
PLANT = "urn:tutin:test:nodes"
DI = "http://opcfoundation.org/UA/DI/"
ADI = "http://opcfoundation.org/UA/ADI/"
SPECTROMETER_DEVICE_TYPE, CHANNEL_TYPE, STREAM_TYPE, DEVICE_HEALTH_ENUMERATION = 1011, 1003, 1010, 6244


class Plant:
    def __init__(self, description):
        self.told = description
        self.silent = False
        self.publishing = True
        self.free = set()
        self.paths = {}
        self.tick = None

    async def start(self, port, nodesets):
        self.server = server = Server(user_manager=self)
        await server.init()
        server.set_endpoint(f"opc.tcp://127.0.0.1:{port}/plant")
        server.set_server_name("plant")
        await server.set_application_uri(APPLICATION)
        for number in range(self.told["other_namespaces"]):
            await server.register_namespace(f"urn:tutin:test:other:{number}")
        self.index = await server.register_namespace(PLANT)
        await self.secure()
        if self.told["adi"]:
            await self.add_analyser(nodesets)
        await self.add_plant()
        self.make_faults_possible()
        await self.catch_up()
        await server.start()
        self.ticking = asyncio.create_task(self.go_on())

    async def secure(self):
        policies = [] if self.told["only_secure"] else [ua.SecurityPolicyType.NoSecurity]
        if folder := self.told["folder"]:
            folder = Path(folder)
            await self.server.load_certificate(folder / "server.der")
            await self.server.load_private_key(folder / "server.pem")
            policies += [
                ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt,
                ua.SecurityPolicyType.Aes128Sha256RsaOaep_SignAndEncrypt,
                ua.SecurityPolicyType.Aes256Sha256RsaPss_SignAndEncrypt,
            ]
            basic = CertificateValidator()

            async def validate(certificate, application):
                await basic(certificate, application)
                der = uacrypto.der_from_x509(certificate)
                if not any(file.read_bytes() == der for file in (folder / "trusted").glob("*.der")):
                    (folder / "rejected").mkdir(exist_ok=True)
                    (folder / "rejected" / f"{certificate.serial_number:x}.der").write_bytes(der)
                    raise ServiceError(ua.StatusCodes.BadCertificateUntrusted)

            self.server.iserver.certificate_validator = validate
        self.server.set_security_policy(policies)
        if self.told["user"]:
            self.server.set_identity_tokens([ua.UserNameIdentityToken])

    def get_user(self, _server, username=None, password=None, certificate=None):
        if self.told["user"] and (username, password) != (self.told["user"], self.told["password"]):
            return None
        return User(role=UserRole.User, name=username)

    async def add_plant(self):
        server, index = self.server, self.index

        def name(text):
            return ua.NodeId(text, index), ua.QualifiedName(text, index)

        plant = await server.nodes.objects.add_object(*name("plant"))

        @uamethod
        async def add(_parent, first, second):
            return first + second

        double = ua.VariantType.Double
        await plant.add_method(*name("sum"), add, [double, double], [double])
        items = await plant.add_folder(*name("items"))
        self.items = []
        for k in range(1, self.told["items"] + 1):
            self.items.append(await items.add_variable(*name(f"item.{k}"), ua.Variant(0, ua.VariantType.UInt32)))
        self.histories = []
        for k in range(1, self.told["history"] + 1):
            node = await plant.add_variable(*name(f"history.{k}"), ua.Variant(0.0, double))
            await node.write_attribute(ua.AttributeIds.Historizing, ua.DataValue(True))
            for bits in (ua.AttributeIds.AccessLevel, ua.AttributeIds.UserAccessLevel):
                await node.set_attr_bit(bits, ua.AccessLevel.HistoryRead)
            await server.iserver.history_manager.storage.new_historized_node(node.nodeid, None)
            self.histories.append(node)
        folder = None
        for k in range(self.told["browse"]):
            if k % 100 == 0:
                folder = await plant.add_folder(*name(f"browse.{k // 100}"))
            await folder.add_variable(*name(f"browse.{k // 100}.{k % 100}"), ua.Variant(k, ua.VariantType.Int32))

    async def add_analyser(self, nodesets):
        server = self.server
        for model in ("Di", "Adi"):
            await server.import_xml(xmlstring=for_address_space(nodesets / f"Opc.Ua.{model}.NodeSet2.xml"))
        di, adi = await server.get_namespace_index(DI), await server.get_namespace_index(ADI)

        async def add(parent, kind, name, optional):
            kind = server.get_node(ua.NodeId(kind, adi))
            nodes = await instantiate(
                parent, kind, bname=ua.QualifiedName(name, self.index), idx=self.index, instantiate_optional=optional
            )
            await self.share_parameters(nodes[0])
            return nodes[0]

        devices = await server.nodes.objects.get_child(ua.QualifiedName("DeviceSet", di))
        device = await add(devices, SPECTROMETER_DEVICE_TYPE, "Analyser", False)
        health = ua.NodeId(DEVICE_HEALTH_ENUMERATION, di)
        for name, text in (("Manufacturer", "Test"), ("Model", "Two channels"), ("SerialNumber", "4711")):
            node = await device.get_child(ua.QualifiedName(name, di))
            of = await node.read_data_type_as_variant_type()
            value = ua.LocalizedText(text) if of == ua.VariantType.LocalizedText else text
            await node.write_value(ua.Variant(value, of))
        await device.add_variable(
            ua.NodeId("health", self.index), ua.QualifiedName("DeviceHealth", di), ua.Variant(0, ua.VariantType.Int32), datatype=health
        )
        for channel in (1, 2):
            of_channel = await add(device, CHANNEL_TYPE, f"Channel{channel}", False)
            stream = await add(of_channel, STREAM_TYPE, "Stream1", True)
            parameters = await stream.get_child(ua.QualifiedName("ParameterSet", di))
            for name, value, of in (
                ("IsEnabled", True, ua.VariantType.Boolean),
                ("IsActive", True, ua.VariantType.Boolean),
                ("DiagnosticStatus", 0, ua.VariantType.Int32),
                ("ExecutionCycle", 16, ua.VariantType.Int32),
                ("AcquisitionResultStatus", 1, ua.VariantType.Int32),
                ("ScaledData", 100.0 * channel, ua.VariantType.Double),
            ):
                node = await parameters.get_child(ua.QualifiedName(name, adi))
                if name == "ScaledData":
                    # Where the model allows any type, an instance says which.
                    await node.write_attribute(ua.AttributeIds.DataType, ua.DataValue(ua.NodeId(of.value)))
                await self.write(node, ua.DataValue(ua.Variant(value, of)))

    async def share_parameters(self, parent):
        """asyncua copies what the groups of a device organize; by the model it is the parameter itself. Placeholders go."""
        children = {}
        for child in await parent.get_children():
            name = (await child.read_browse_name()).Name
            if name.startswith("<"):
                await self.server.delete_nodes([child], recursive=True)
            else:
                children[name] = child
        if "ParameterSet" not in children:
            return
        parameters = {(await p.read_browse_name()).Name: p for p in await children["ParameterSet"].get_children()}
        for name, group in children.items():
            if name != "ParameterSet" and await group.read_node_class() == ua.NodeClass.Object:
                for copy in await group.get_children():
                    if parameter := parameters.get((await copy.read_browse_name()).Name):
                        await self.server.delete_nodes([copy], recursive=True)
                        await group.add_reference(parameter, ua.ObjectIds.Organizes)

    def make_faults_possible(self):
        plant, hear, publish = self, OPCUAProtocol.data_received, InternalSubscription.publish_results

        def data_received(connection, data):
            if not plant.silent:
                hear(connection, data)

        async def publish_results(subscription, requestdata=None):
            if not plant.publishing and subscription.pub_request_callback:
                return False
            return await publish(subscription, requestdata)

        OPCUAProtocol.data_received = data_received
        InternalSubscription.publish_results = publish_results

    def at(self, tick):
        return datetime.fromtimestamp(self.told["epoch"] / 1000, timezone.utc) + timedelta(milliseconds=tick * self.told["period_ms"])

    def now(self):
        return int((time.time() * 1000 - self.told["epoch"]) // self.told["period_ms"])

    async def catch_up(self):
        self.tick = self.now()
        for tick in range(self.told["history_from"], self.tick):
            await self.keep(tick)
        await self.make(self.tick)

    async def keep(self, tick):
        values = []
        for k, node in enumerate(self.histories, 1):
            value = ua.DataValue(ua.Variant(tick + k / 8, ua.VariantType.Double), SourceTimestamp=self.at(tick))
            await self.server.iserver.history_manager.storage.save_node_value(node.nodeid, value)
            values.append(value)
        return values

    async def make(self, tick):
        for node, value in zip(self.histories, await self.keep(tick)):
            await self.server.write_attribute_value(node.nodeid, value)
        value = ua.DataValue(ua.Variant(max(tick, 0), ua.VariantType.UInt32), SourceTimestamp=self.at(tick))
        for node in self.items:
            if node.nodeid not in self.free:
                await self.server.write_attribute_value(node.nodeid, value)

    async def go_on(self):
        # One at a time and none left out, however late.
        while True:
            while self.tick >= self.now():
                await asyncio.sleep(0.005)
            self.tick += 1
            await self.make(self.tick)

    async def node(self, path):
        if path.startswith("s="):
            return self.server.get_node(ua.NodeId(path[2:], self.index))
        if path not in self.paths:
            node = self.server.nodes.objects
            for name in path.split("/"):
                children = {(await child.read_browse_name()).Name: child for child in await node.get_children()}
                node = children[name]
            self.paths[path] = node
        return self.paths[path]

    async def write(self, node, value):
        # The server's own way in checks less than a client's, but it says when it refused.
        (await self.server.iserver.aspace.write_attribute_value(node.nodeid, ua.AttributeIds.Value, value)).check()

    async def obey(self, command):
        if "set" in command:
            node = await self.node(command["set"])
            old = await node.read_data_value(raise_on_bad_status=False)
            of = old.Value.VariantType
            if of == ua.VariantType.Null:
                of = await node.read_data_type_as_variant_type()
            value = ua.Variant(command["value"], of) if "value" in command else old.Value
            at = datetime.fromtimestamp(command["at"] / 1000, timezone.utc) if "at" in command else datetime.now(timezone.utc)
            new = ua.DataValue(value, StatusCode=ua.StatusCode(command.get("status", 0)), SourceTimestamp=at)
            self.free.add(node.nodeid)
            await self.write(node, new)
        elif "silent" in command:
            self.silent = command["silent"]
            if not self.silent:
                self.drop()
        elif "publish" in command:
            self.publishing = command["publish"]
        elif "drop" in command:
            self.drop()
        elif "tick" in command:
            return str(self.tick)
        else:
            return f"unknown: {command}"
        return "ok"

    def drop(self):
        for transport in list(self.server.iserver.asyncio_transports):
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()


def for_address_space(nodeset):
    """Without the nodes that the file itself marks as not for an address space; asyncua stumbles over them, as they have no parent."""
    ElementTree.register_namespace("", "http://opcfoundation.org/UA/2011/03/UANodeSet.xsd")
    root = ElementTree.parse(nodeset).getroot()
    for node in [node for node in root if node.get("DesignToolOnly") == "true"]:
        root.remove(node)
    return ElementTree.tostring(root)


async def main():
    logging.disable(logging.CRITICAL)
    loop = asyncio.get_running_loop()
    plant = Plant(json.loads(sys.stdin.readline()))
    await plant.start(int(sys.argv[1]), Path(sys.argv[2]))
    print("ready", flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        try:
            answer = await plant.obey(json.loads(line))
        except Exception as error:  # the test shows it
            answer = f"{type(error).__name__}: {error}"
        print(answer, flush=True)
    await plant.server.stop()


asyncio.run(main())
