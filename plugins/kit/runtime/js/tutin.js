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
    const links = [{ name: "main", capability: `tutin:${link}/client`, purpose }];
    return { name, version, vendor, models, settings: JSON.stringify(schemaOf(settings)), links, commands, features };
}

function schemaOf(settings) {
    const required = Object.keys(settings).filter((member) => !("default" in settings[member]));
    return { type: "object", properties: settings, required, additionalProperties: false };
}

function isOf(type, value) {
    switch (type) {
        case "integer": return Number.isInteger(value);
        case "array": return Array.isArray(value);
        case "object": return typeof value === "object" && value !== null && !Array.isArray(value);
        default: return typeof value === type;
    }
}

/** Whether a value is what its schema says, as far as settings need JSON Schema; else a failure that names the member. */
export function check(name, value, schema) {
    const wrong = (why) => new Failure(Failure.SETTINGS, `${name}: ${why}`);
    if (schema.type && !isOf(schema.type, value)) throw wrong(`must be of type ${schema.type}`);
    if (schema.enum && !schema.enum.includes(value)) throw wrong(`must be one of ${schema.enum.join(", ")}`);
    if (value < schema.minimum) throw wrong(`must be at least ${schema.minimum}`);
    if (value > schema.maximum) throw wrong(`must be at most ${schema.maximum}`);
    if (schema.type === "array") {
        if (value.length < schema.minItems || value.length > schema.maxItems) {
            throw wrong(`must have another number of members than ${value.length}`);
        }
        value.forEach((item, at) => check(`${name}[${at}]`, item, schema.items ?? {}));
    }
    if (schema.type === "object") checkMembers(name, value, schema);
}

function checkMembers(name, value, { properties = {}, additionalProperties = {}, required = [] }) {
    for (const member of Object.keys(value)) {
        if (!Object.hasOwn(properties, member) && additionalProperties === false) {
            const known = Object.keys(properties).join(", ");
            throw new Failure(Failure.SETTINGS, `${name}.${member}: unknown, expected one of ${known}`);
        }
        check(`${name}.${member}`, value[member], properties[member] ?? additionalProperties);
    }
    for (const member of required) {
        if (!Object.hasOwn(value, member)) throw new Failure(Failure.SETTINGS, `${name}.${member}: missing`);
    }
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

/**
 * What every device has. A driver defines `static settings`, the properties of their JSON Schema, against which they are checked, then
 * `constructor(settings)`, `points` and `read(now)`, and the others when it can.
 */
export class Device {
    static settings = {};

    static open(json) {
        return told(() => {
            const settings = JSON.parse(json);
            check("settings", settings, schemaOf(this.settings));
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
