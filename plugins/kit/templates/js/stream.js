// An instrument on a serial line or TCP that answers a line of text: `01 READ` is answered with `01 12.5 ppb OK`.
//
// The instrument is an example that does not exist. Replace it by yours, here and in `cases/`.

import { Link } from "tutin:stream/client@0.1.0";
import * as tutin from "./tutin.js";
import { Failure, State } from "./tutin.js";

const STATES = { OK: State.VALID, WARM: State.WARM_UP, CAL: State.CALIBRATION };
const FRAMING = { starts: [], ends: [tutin.bytes("\r")], trailer: 0, gapMs: 0, longest: 4096 };
const ONE_FRAME = { echo: 0, begins: [], frames: 1, quietMs: 0, timeoutMs: 0 };

class Device extends tutin.Device {
    static settings = {
        id: { type: "integer", minimum: 1, maximum: 99, description: "Address of the instrument on its line." },
    };

    /** Opens the link and sends nothing: an instrument that is switched off must still open. */
    constructor({ id }) {
        super();
        this.id = id;
        this.link = Link.open("main");
        this.link.frames(FRAMING, false);
    }

    points() {
        return [tutin.number("value", "[ppb]", "Concentration")];
    }

    read(now) {
        const request = tutin.bytes(`${String(this.id).padStart(2, "0")} READ\r`);
        const [reply] = tutin.during("READ", () => this.link.request(request, ONE_FRAME));
        const { value, state } = decode(tutin.text(reply), this.id);
        const samples = new tutin.Samples();
        samples.add(0, value, state);
        return samples.batch();
    }
}

/** `01 12.5 ppb OK`: the instrument, the value, its unit, and what the instrument says of it. */
function decode(reply, id) {
    const [, of, value, status] = reply.match(/^\s*(\d+)\s+([-+.\d]+)\s+ppb\s+(\S+)\s*$/) ?? [];
    if (Number(of) !== id || Number.isNaN(Number(value))) {
        throw new Failure(Failure.DEVICE, `READ: not a reply that this driver knows: ${JSON.stringify(reply)}`);
    }
    return { value: Number(value), state: STATES[status] ?? State.FAULT };
}

export const driver = {
    Device,
    describe: () => tutin.describe({
        name: "{{name}}",
        version: "0.1.0",
        link: "stream",
        purpose: "the instrument",
        settings: Device.settings,
    }),
};
