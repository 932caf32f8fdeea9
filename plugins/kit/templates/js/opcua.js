// An instrument with an OPC UA server: the value of one variable, with the status that the server gives it.
//
// The instrument is an example that does not exist. Replace it by yours, here and in `cases/`.

import { Link } from "tutin:opcua/client@0.1.0";
import * as tutin from "./tutin.js";
import { Failure, State } from "./tutin.js";

const VALUE = 13; // The attribute of that name (OPC 10000-6, annex A).

class Device extends tutin.Device {
    static settings = {
        node: { type: "string", description: "The variable that is read, as in nsu=http://vendor.example/;s=NO." },
        unit: { type: "string", description: "UCUM code of its unit, as in [ppb]." },
    };

    /** Opens the link and asks nothing: a server that is switched off must still open. */
    constructor({ node, unit }) {
        super();
        const [, namespace, identifier] = node.match(/^nsu=([^;]+);([isgb]=.+)$/) ?? [];
        if (!identifier) {
            throw new Failure(Failure.SETTINGS, "settings.node: must be nsu=URI;s=NAME (or i=, g=, b=)");
        }
        this.node = { namespace, identifier };
        this.unit = unit;
        this.link = Link.open("main");
    }

    points() {
        return [tutin.number("value", this.unit, "Concentration")];
    }

    read(now) {
        const [answer] = tutin.during("reading", () => this.link.read([this.node], VALUE));
        const state = stateOf(answer.status);
        const { value, raw } = number(answer.value);
        if (raw === undefined && state === State.VALID) {
            throw new Failure(Failure.DEVICE, "the variable is good, and no number");
        }
        const time = answer.sourceTime === 0n ? undefined : answer.sourceTime;
        const samples = new tutin.Samples();
        samples.add(0, value, state, { status: answer.status, raw: raw ?? 0n, time });
        return samples.batch();
    }
}

/** A number as it is, and its bits. */
function number({ tag, val }) {
    const bits = new DataView(new ArrayBuffer(8));
    switch (tag) {
        case "float":
            bits.setFloat32(0, val);
            return { value: val, raw: bits.getUint32(0) };
        case "double":
            bits.setFloat64(0, val);
            return { value: val, raw: bits.getBigUint64(0) };
        case "integer":
        case "unsigned":
            return { value: Number(val), raw: BigInt.asUintN(64, val) };
        default:
            return { value: NaN };
    }
}

/** The two highest bits of a status: 0 good, 1 uncertain, 2 bad. */
function stateOf(status) {
    return [State.VALID, State.SUSPECT][status >>> 30] ?? State.FAULT;
}

export const driver = {
    Device,
    describe: () => tutin.describe({
        name: "{{name}}",
        version: "0.1.0",
        link: "opcua",
        purpose: "the instrument's server",
        settings: Device.settings,
    }),
};
