// An instrument with Modbus: a concentration in holding registers 0 and 1, and a status word in 2.
//
// The instrument is an example that does not exist. Replace it by yours, here and in `cases/`.

import { Link } from "tutin:modbus/client@0.1.0";
import * as tutin from "./tutin.js";
import { State } from "./tutin.js";

class Device extends tutin.Device {
    static settings = {
        word_order: {
            enum: ["high_first", "low_first"],
            description: "Which of the two words of a number comes first.",
        },
    };

    /** Opens the link and sends nothing: an instrument that is switched off must still open. */
    constructor({ word_order }) {
        super();
        this.isHighFirst = word_order === "high_first";
        this.link = Link.open("main");
    }

    points() {
        return [tutin.number("value", "[ppb]", "Concentration")];
    }

    /** One request reads all. */
    read(now) {
        const words = tutin.during("holding registers 0 to 2", () => this.link.readHoldingRegisters(0, 3));
        const [high, low] = this.isHighFirst ? [words[0], words[1]] : [words[1], words[0]];
        const number = new DataView(new ArrayBuffer(4));
        number.setUint16(0, high);
        number.setUint16(2, low);
        const samples = new tutin.Samples();
        samples.add(0, number.getFloat32(0), state(words[2]), { status: words[2], raw: number.getUint32(0) });
        return samples.batch();
    }
}

/** Bit 0: fault. Bit 1: maintenance. Bit 2: calibration. Any other bit is one that this driver does not know. */
function state(status) {
    if (status === 0) return State.VALID;
    if (status & 1) return State.FAULT;
    if (status & 2) return State.MAINTENANCE;
    if (status & 4) return State.CALIBRATION;
    return State.SUSPECT;
}

export const driver = {
    Device,
    describe: () => tutin.describe({
        name: "{{name}}",
        version: "0.1.0",
        link: "modbus",
        purpose: "the instrument",
        settings: Device.settings,
    }),
};
