// An instrument that publishes JSON to a broker: `{"value": 12.5, "status": "ok"}`.
//
// The instrument is an example that does not exist. Replace it by yours, here and in `cases/`.

import { Link } from "tutin:mqtt/client@0.1.0";
import * as tutin from "./tutin.js";
import { Failure, State } from "./tutin.js";

const STATES = { "ok": State.VALID, "warm-up": State.WARM_UP, "calibration": State.CALIBRATION };

class Device extends tutin.Device {
    static settings = {
        qos: { type: "integer", minimum: 0, maximum: 2, description: "Quality of service of the subscription." },
    };

    /** Subscribes to the topics that the configuration grants this device. */
    constructor({ qos }) {
        super();
        this.link = Link.open("main");
        this.link.subscribe(this.link.granted(), qos);
    }

    points() {
        return [tutin.number("value", "[ppb]", "Concentration")];
    }

    /** A message wakes the poll, which takes what has come. */
    read(now) {
        const { messages, connected, more } = tutin.during("messages", () => this.link.receive(1000));
        if (!connected && messages.length === 0) {
            throw new Failure(Failure.COMMUNICATION, "no connection to the broker");
        }
        const samples = new tutin.Samples();
        for (const { payload, at } of messages) {
            const { value, state } = decode(new TextDecoder().decode(payload));
            samples.add(0, value, state, { time: at });
        }
        return samples.batch({ more });
    }
}

/** A message that cannot be read is a sample too: the instrument has spoken, and nobody knows what it measured. */
function decode(payload) {
    try {
        const { value, status } = JSON.parse(payload);
        if (typeof value === "number") {
            return { value, state: STATES[status] ?? State.FAULT };
        }
    } catch (error) {
        if (!(error instanceof SyntaxError)) throw error;
    }
    return { value: NaN, state: State.FAULT };
}

export const driver = {
    Device,
    describe: () => tutin.describe({
        name: "{{name}}",
        version: "0.1.0",
        link: "mqtt",
        purpose: "the broker",
        settings: Device.settings,
    }),
};
