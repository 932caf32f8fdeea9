// What a driver in JavaScript is written with, besides the functions of the contract.
//
// A component has no standard error and no clock. So an error that nobody caught becomes a failure that tells its text, and the time comes
// with each poll. 64-bit numbers (status, raw bits, times) are BigInt.

/** Codes of the contract. */
export const State = Object.freeze({
    VALID: 0, CALIBRATION: 1, MAINTENANCE: 2, PURGE: 3, WARM_UP: 4, FAULT: 5,
    COMM_ERROR: 6, OVER_RANGE: 7, UNDER_RANGE: 8, SUSPECT: 9, MANUAL: 10, MISSING: 11,
});

/** Why a call could not do its work. The text says what and which: "READ: timeout". */
export class Failure extends Error {
    static COMMUNICATION = 1;
    static DEVICE = 2;
    static SETTINGS = 3;
    static UNSUPPORTED = 4;
    static BUSY = 5;
    static INTERNAL = 6;

    constructor(code, text) {
        super(text);
        this.code = code;
    }
}

/**
 * What the plugin is. `link` is the package of its link, as in "modbus"; `settings` the properties of its JSON Schema, all of which are
 * required but those with a default.
 */
export function describe({ name, version, link, purpose, settings, vendor = "", models = [], commands = [], features = 0 }) {
    const required = Object.keys(settings).filter((member) => !("default" in settings[member]));
    const schema = { type: "object", properties: settings, required, additionalProperties: false };
    const links = [{ name: "main", capability: `tutin:${link}/client`, purpose }];
    return { name, version, vendor, models, settings: JSON.stringify(schema), links, commands, features };
}

/** A point with numbers. */
export function number(id, unit, label) {
    return { id, label, unit, kind: 0 };
}

/** The columns of a poll. What one sample has besides its value and state, all must have. */
export class Samples {
    #rows = [];

    /** A value of a point, by the point's position; with the instrument's own status, the bits on the wire, and when it was measured. */
    add(point, value, state = State.VALID, { status, raw, time } = {}) {
        this.#rows.push({ point, value, state, status, raw, time });
    }

    /** As the contract has it. */
    batch({ more = false } = {}) {
        const column = (name) => this.#rows.map((row) => row[name]).filter((cell) => cell !== undefined);
        return {
            points: Uint16Array.from(column("point")),
            values: Float64Array.from(column("value")),
            states: Uint8Array.from(column("state")),
            qualifiers: new Uint32Array(),
            statuses: BigUint64Array.from(column("status"), BigInt),
            raws: BigUint64Array.from(column("raw"), BigInt),
            times: BigInt64Array.from(column("time")),
            texts: [],
            more,
            pointsChanged: false,
        };
    }
}

/** Calls the link, and turns its error into a failure that begins with `what`. */
export function during(what, call) {
    try {
        return call();
    } catch (error) {
        const { tag, val } = error.payload ?? {};
        switch (tag) {
            case "timeout": throw new Failure(Failure.COMMUNICATION, `${what}: timeout`);
            case "closed": throw new Failure(Failure.COMMUNICATION, `${what}: no connection: ${val}`);
            case "bad-request": throw new Failure(Failure.SETTINGS, `${what}: bad request: ${val}`);
            case "bad-response": throw new Failure(Failure.DEVICE, `${what}: bad response: ${val}`);
            case "exception": throw new Failure(Failure.DEVICE, `${what}: exception ${val}`);
            case "status": throw new Failure(Failure.DEVICE, `${what}: status ${val}`);
            case "other": throw new Failure(Failure.DEVICE, `${what}: ${val}`);
            default: throw error;
        }
    }
}

/** Characters 0 to 255 as bytes. */
export function bytes(text) {
    return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** Bytes as characters 0 to 255. */
export function text(bytes) {
    return String.fromCharCode(...bytes);
}

/** What it throws, as the contract has it. */
function told(call) {
    try {
        return call();
    } catch (error) {
        throw { code: error.code ?? Failure.INTERNAL, message: error.code ? error.message : String(error) };
    }
}

/** What every device has. A driver defines `constructor(settings)`, `points` and `read(now)`, and the others when it can. */
export class Device {
    static settings = {};

    static open(json) {
        return told(() => {
            const settings = JSON.parse(json);
            for (const member of Object.keys(settings)) {
                if (!(member in this.settings)) {
                    const known = Object.keys(this.settings).join(", ");
                    throw new Failure(Failure.SETTINGS, `settings.${member}: unknown, expected one of ${known}`);
                }
            }
            for (const [member, schema] of Object.entries(this.settings)) {
                if (!(member in settings) && !("default" in schema)) {
                    throw new Failure(Failure.SETTINGS, `settings.${member}: missing`);
                }
            }
            return new this(settings);
        });
    }

    poll(now) {
        return told(() => this.read(now));
    }

    backfill(begin, end, next) {
        return told(() => { throw new Failure(Failure.UNSUPPORTED, "this driver has no backfill"); });
    }

    command(name, args) {
        return told(() => { throw new Failure(Failure.UNSUPPORTED, `this driver has no command "${name}"`); });
    }

    snapshot() {
        return new Uint8Array();
    }

    restore(state) {
        return told(() => { throw new Failure(Failure.UNSUPPORTED, "this driver has no snapshots"); });
    }
}
