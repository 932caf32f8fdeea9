// Endress+Hauser Liquiline CM44x, transmitter for water analysis, over Modbus: its first values.
//
// Sixteen values stand one behind the other in input registers, four registers each, addresses from 0:
//
//     n * 4       value, f32
//     n * 4 + 2   status: 0 good, 1 uncertain, 2 bad, 3 not assigned
//     n * 4 + 3   code of its unit

import { Link } from "tutin:modbus/client@0.1.0";
import * as tutin from "./tutin.js";
import { State } from "./tutin.js";

const STRIDE = 4;
const MOST = 16;
/** Which is the maker's sign for a value without a sensor. */
const NO_SENSOR = 0x7fa00000;
const STATES = [State.VALID, State.SUSPECT, State.FAULT, State.MISSING];
const SHIFTS = { high_first: [16, 0], low_first: [0, 16] };

class Device extends tutin.Device {
    static settings = {
        word_order: {
            enum: Object.keys(SHIFTS),
            description: "Which word of a number comes first. The guideline does not say: compare with the display.",
        },
        units: {
            type: "array",
            items: { type: "string" },
            minItems: 1,
            maxItems: MOST,
            description: 'UCUM codes of the units of value 1, 2 and so on, as the display shows them: ["[pH]", "Cel"].',
        },
    };

    constructor({ word_order, units }) {
        super();
        this.shifts = SHIFTS[word_order];
        this.units = units;
        this.link = Link.open("main");
    }

    points() {
        return this.units.map((unit, at) => tutin.number(`value${at + 1}`, unit, `Value ${at + 1}`));
    }

    read(now) {
        const count = this.units.length * STRIDE;
        const what = `input registers 0 to ${count - 1}`;
        const words = tutin.during(what, () => this.link.readInputRegisters(0, count));
        const samples = new tutin.Samples();
        for (let at = 0; at < this.units.length; at++) {
            const { value, state, status, raw } = this.value(words.slice(at * STRIDE, (at + 1) * STRIDE));
            samples.add(at, value, state, { status, raw });
        }
        return samples.batch();
    }

    /** One value, with what its status says of it. A status that the guideline does not have makes it suspect. */
    value([first, second, status, unit]) {
        const raw = ((first << this.shifts[0]) | (second << this.shifts[1])) >>> 0;
        const number = new DataView(new ArrayBuffer(4));
        number.setUint32(0, raw);
        const told = STATES[status] ?? State.SUSPECT;
        const state = raw === NO_SENSOR && told !== State.MISSING ? State.FAULT : told;
        return { value: number.getFloat32(0), state, status: status * 65536 + unit, raw };
    }
}

export const driver = {
    Device,
    describe: () => tutin.describe({
        name: "js-liquiline",
        version: "0.1.0",
        vendor: "Endress+Hauser",
        models: ["Liquiline CM442", "Liquiline CM444", "Liquiline CM448"],
        link: "modbus",
        purpose: "the transmitter",
        settings: Device.settings,
    }),
};
