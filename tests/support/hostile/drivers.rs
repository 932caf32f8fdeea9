//! Drivers that are admitted and compiled, and then break a limit or the contract.

use super::driver::{CORE_INSTANCE, CORE_MODULE, LOOP, Parts, append, batch, records, sections, words};
use super::{End, Hostile};

/// Ten megabytes, as many as a guest may have in one text.
const TEN_MEGABYTES: u32 = 10 << 20;
/// An address behind everything else.
const FAR: u32 = 1 << 17;
/// All the memory that a plugin may have: 16 MiB.
const ALL_MEMORY: &str = "256";

fn made(change: impl FnOnce(&mut Parts)) -> Vec<u8> {
    let mut parts = Parts::good();
    change(&mut parts);
    parts.component()
}

fn memory_declared() -> Vec<u8> {
    made(|parts| parts.memory = "16384".into())
}

fn memory_growth() -> Vec<u8> {
    made(|parts| parts.poll = "(loop $more (drop (memory.grow (i32.const 1))) (br $more)) unreachable".into())
}

fn table_declared() -> Vec<u8> {
    made(|parts| parts.fields = "(table 10000000 funcref)".into())
}

fn table_growth() -> Vec<u8> {
    made(|parts| {
        parts.fields = "(table $t 1 funcref)".into();
        parts.poll =
            "(loop $more (drop (table.grow $t (ref.null func) (i32.const 1000))) (br $more)) unreachable".into();
    })
}

/// A driver with 200 instances of a module that does nothing.
fn many_instances() -> Vec<u8> {
    const EMPTY_MODULE: &[u8] = b"\0asm\x01\0\0\0";
    let mut wasm = Parts::good().component();
    let module = sections(&wasm).iter().filter(|section| section.0 == CORE_MODULE).count() as u8;
    append(&mut wasm, CORE_MODULE, EMPTY_MODULE);
    // 200 in two bytes of seven bits, then what each is made of: a module, which one, no arguments.
    let mut instances = vec![0x80 | 72, 1];
    instances.extend([0, module, 0].repeat(200));
    append(&mut wasm, CORE_INSTANCE, &instances);
    wasm
}

fn recursion() -> Vec<u8> {
    made(|parts| {
        parts.fields = "(func $deeper (param i64) (result i64)
            (i64.add (call $deeper (i64.add (local.get 0) (i64.const 1))) (i64.const 1)))"
            .into();
        parts.poll = "(drop (call $deeper (i64.const 0))) (i32.const 1296)".into();
    })
}

/// 3,000 fills of all memory, one after the other, without a loop or a call between them.
fn fills() -> Vec<u8> {
    made(|parts| {
        parts.memory = ALL_MEMORY.into();
        let fill = "(memory.fill (i32.const 131072) (i32.const 7) (i32.const 16000000))";
        parts.poll = format!("{} (i32.const 1296)", fill.repeat(3_000));
    })
}

fn host_calls() -> Vec<u8> {
    made(|parts| {
        parts.fields = "(import \"tutin:log/log@0.1.0\" \"shown\" (func $shown (result i32)))".into();
        parts.poll = "(loop $more (drop (call $shown)) (br $more)) unreachable".into();
    })
}

/// Twenty lines of ten megabytes in each poll: fewer calls than are allowed, and a line a beat is written.
fn long_lines() -> Vec<u8> {
    made(|parts| {
        parts.memory = ALL_MEMORY.into();
        parts.fields = "(import \"tutin:log/log@0.1.0\" \"write\" (func $write (param i32 i32 i32)))".into();
        let write = format!("(call $write (i32.const 3) (i32.const {FAR}) (i32.const {TEN_MEGABYTES}))");
        parts.poll = format!("{} (i32.const 1296)", write.repeat(300));
    })
}

/// 500 lines in each poll: as many calls as are allowed, and more lines than are.
fn many_lines() -> Vec<u8> {
    made(|parts| {
        parts.fields = "(import \"tutin:log/log@0.1.0\" \"write\" (func $write (param i32 i32 i32)))".into();
        parts.poll = "(local $i i32) (loop $more (call $write (i32.const 3) (i32.const 16) (i32.const 7))
            (br_if $more (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 500))))
            (i32.const 1296)"
            .into();
    })
}

/// A million rows, all zeros.
fn many_rows() -> Vec<u8> {
    made(|parts| {
        parts.memory = ALL_MEMORY.into();
        parts.data.push((1300, batch(FAR, 1_000_000, FAR + 2_097_152, 1_000_000)));
    })
}

/// 100,000 texts that are all the same ten megabytes: a terabyte for whoever copies them.
fn one_text_often() -> Vec<u8> {
    made(|parts| {
        parts.memory = ALL_MEMORY.into();
        let fields = [(4, "(i32.const 4194304)".to_owned()), (8, format!("(i32.const {TEN_MEGABYTES})"))];
        let fields: Vec<(u32, &str)> = fields.iter().map(|(offset, value)| (*offset, value.as_str())).collect();
        parts.start = records(FAR, 100_000, 12, &fields);
        parts.data.push((1356, words(&[FAR, 100_000])));
    })
}

/// One text of ten megabytes in each poll.
fn long_text() -> Vec<u8> {
    made(|parts| {
        parts.memory = ALL_MEMORY.into();
        parts.data.push((1356, words(&[FAR, 1])));
        parts.data.push((FAR, words(&[0, FAR + 64, TEN_MEGABYTES])));
    })
}

/// 65,535 points with labels of a kilobyte, all the same one.
fn long_labels() -> Vec<u8> {
    made(|parts| {
        parts.memory = ALL_MEMORY.into();
        let fields = [(0, "(i32.const 48)"), (4, "(i32.const 1)"), (8, "(i32.const 131072)"), (12, "(i32.const 1000)")];
        parts.start = records(1 << 18, 65_535, 28, &fields);
        parts.data.push((1200, words(&[1 << 18, 65_535])));
    })
}

/// As many points as the contract allows, and a row for each in every poll.
fn many_points() -> Vec<u8> {
    let (ids, points, rows, values) = (1 << 17, 1 << 20, 1 << 22, 1 << 23);
    made(|parts| {
        parts.memory = ALL_MEMORY.into();
        parts.fields = "(func $letter (param i32 i32) (result i32)
            (i32.add (i32.const 97) (i32.and (i32.shr_u (local.get 0) (local.get 1)) (i32.const 15))))"
            .into();
        // An id of four letters, one for each half byte of the number.
        let id = "(i32.or (i32.or (call $letter (local.get $i) (i32.const 0))
            (i32.shl (call $letter (local.get $i) (i32.const 4)) (i32.const 8)))
            (i32.or (i32.shl (call $letter (local.get $i) (i32.const 8)) (i32.const 16))
            (i32.shl (call $letter (local.get $i) (i32.const 12)) (i32.const 24))))";
        let address = format!("(i32.add (i32.const {ids}) (i32.mul (local.get $i) (i32.const 4)))");
        parts.start = "(call $ids) (call $points) (call $rows)".into();
        let ids = records(ids, 65_535, 4, &[(0, id)]);
        let points_are = records(points, 65_535, 28, &[(0, &address), (4, "(i32.const 4)")]);
        let rows_are = records(rows, 65_535, 2, &[(0, "(local.get $i)")]);
        parts.fields += &format!("(func $ids {ids}) (func $points {points_are}) (func $rows {rows_are})");
        parts.data.push((1200, words(&[points, 65_535])));
        parts.data.push((1300, batch(rows, 65_535, values, 65_535)));
    })
}

/// More is always there, 50,000 rows at a time.
fn more() -> Vec<u8> {
    made(|parts| {
        parts.memory = ALL_MEMORY.into();
        parts.data.push((1300, batch(FAR, 50_000, FAR + 1_048_576, 50_000)));
        parts.data.push((1364, vec![1]));
    })
}

fn long_name() -> Vec<u8> {
    made(|parts| {
        parts.memory = ALL_MEMORY.into();
        parts.data.push((1024, words(&[FAR, TEN_MEGABYTES])));
    })
}

/// A failure whose reason has ten megabytes.
fn long_reason() -> Vec<u8> {
    made(|parts| {
        parts.memory = ALL_MEMORY.into();
        parts.data.push((1296, words(&[1, 2, FAR, TEN_MEGABYTES])));
    })
}

fn large_snapshot() -> Vec<u8> {
    made(|parts| {
        parts.memory = ALL_MEMORY.into();
        parts.data.push((1504, words(&[FAR, 4 << 20])));
    })
}

/// A text in a batch that is not UTF-8.
fn bad_text() -> Vec<u8> {
    made(|parts| {
        parts.data.push((1356, words(&[2000, 1])));
        parts.data.push((2000, words(&[0, 2100, 3])));
        parts.data.push((2100, vec![0xff, 0xfe, 0xc0]));
    })
}

/// Column `values` is shorter than column `points`.
fn short_column() -> Vec<u8> {
    made(|parts| parts.data.push((1300, batch(1416, 3, 1400, 1))))
}

/// A value that is a signalling NaN with a payload, of a point that is called `nan`; then minus infinity.
fn strange_numbers() -> Vec<u8> {
    made(|parts| {
        parts.data.push((48, b"nan".to_vec()));
        parts.data.push((1216, words(&[48, 3])));
        parts.data.push((1300, batch(1500, 2, 1600, 2)));
        parts.data.push((1496, vec![0; 8]));
        parts.data.push((1600, SIGNALLING_NAN.to_le_bytes().to_vec()));
        parts.data.push((1608, f64::NEG_INFINITY.to_bits().to_le_bytes().to_vec()));
    })
}

/// What the device `strange-numbers` says first.
pub const SIGNALLING_NAN: u64 = 0x7ff4_0000_dead_beef;

/// Asks through a link that it was never given.
fn forged_link() -> Vec<u8> {
    made(|parts| {
        parts.fields = "(import \"tutin:modbus/client@0.1.0\" \"[method]link.read-holding-registers\"
            (func $read (param i32 i32 i32 i32)))"
            .into();
        parts.poll =
            "(call $read (i32.const 4242) (i32.const 0) (i32.const 1) (i32.const 2000)) (i32.const 1296)".into();
    })
}

/// Opens the same link again and again, and lets none go.
fn many_links() -> Vec<u8> {
    made(|parts| {
        parts.fields =
            "(import \"tutin:modbus/client@0.1.0\" \"[static]link.open\" (func $open (param i32 i32 i32)))".into();
        parts.data.push((56, b"main".to_vec()));
        let open = "(call $open (i32.const 56) (i32.const 4) (i32.const 2000))";
        parts.poll = format!("{} (i32.const 1296)", open.repeat(300));
    })
}

fn many_devices() -> Vec<u8> {
    made(|parts| {
        parts.poll = "(loop $more (drop (call $device (i32.const 1))) (br $more)) unreachable".into();
    })
}

const fn stopped(name: &'static str, does: &'static str, make: fn() -> Vec<u8>, text: &'static str) -> Hostile {
    Hostile { name, does, make, end: End::Stopped(text) }
}

const fn goes_on(name: &'static str, does: &'static str, make: fn() -> Vec<u8>, end: End) -> Hostile {
    Hostile { name, does, make, end }
}

/// All drivers that are loaded.
pub const ALL: &[Hostile] = &[
    stopped("loop-at-start", "loops when it is instantiated", || made(|p| p.start = LOOP.into()), "limits.call"),
    stopped("loop-in-describe", "loops in describe", || made(|p| p.describe = LOOP.into()), "limits.call"),
    stopped("loop-in-open", "loops in open", || made(|p| p.open = LOOP.into()), "limits.call"),
    stopped("loop-in-points", "loops in points", || made(|p| p.points = LOOP.into()), "limits.call"),
    stopped("loop-in-poll", "loops in poll", || made(|p| p.poll = LOOP.into()), "limits.call"),
    stopped(
        "loop-after-poll",
        "loops when its result was taken",
        || made(|p| p.after_poll = LOOP.into()),
        "limits.call",
    ),
    stopped("loop-in-realloc", "loops when the host needs room", || made(|p| p.realloc = LOOP.into()), "limits.call"),
    stopped("fills", "3,000 fills of 16 MB without a loop", fills, "limits.call"),
    stopped("memory-declared", "is made with 1 GiB", memory_declared, "limits.memory"),
    stopped("memory-growth", "grows page by page", memory_growth, "limits.memory"),
    stopped("table-declared", "is made with 10,000,000 elements", table_declared, "limits.table_elements"),
    stopped("table-growth", "grows its table", table_growth, "limits.table_elements"),
    stopped("many-instances", "is made of 200 instances", many_instances, "limits.parts"),
    stopped("recursion", "calls itself without end", recursion, "call stack exhausted"),
    stopped("trap", "traps in poll", || made(|p| p.poll = "unreachable".into()), "plugin trapped"),
    stopped("host-calls", "calls the host without end", host_calls, "limits.host_calls"),
    stopped("long-lines", "logs 300 lines of 10 MB", long_lines, "limits.call"),
    stopped("many-rows", "returns 1,000,000 rows", many_rows, "limits.samples"),
    stopped("one-text-often", "returns one text of 10 MB 100,000 times", one_text_often, "limits.results"),
    stopped("long-text", "returns a text of 10 MB", long_text, "65536 are allowed"),
    stopped("long-labels", "has 65,535 points with long labels", long_labels, "limits.results"),
    stopped("long-name", "has a name of 10 MB", long_name, "64 are allowed"),
    stopped(
        "control-name",
        "has a name that clears the screen",
        || Parts::good().bytes(16, b"\x1b[2Jbad").component(),
        "name has control characters: \\u{1b}[2Jbad",
    ),
    stopped(
        "control-label",
        "has a point with a label that clears the screen",
        || Parts::good().words(1216, &[48, 1, 2000, 4]).bytes(2000, b"\x1b[2J").component(),
        "the label of p has control characters: \\u{1b}[2J",
    ),
    stopped("bad-text", "returns a text that is no UTF-8", bad_text, "utf-8"),
    stopped(
        "bad-variant",
        "returns a variant that is not there",
        || Parts::good().words(1296, &[7]).component(),
        "discriminant",
    ),
    stopped(
        "bad-pointer",
        "returns a list outside its memory",
        || Parts::good().words(1300, &[0xffff_fff0, 9]).component(),
        "out of bounds",
    ),
    stopped(
        "odd-pointer",
        "returns a list at an odd address",
        || Parts::good().words(1300, &[1417, 1]).component(),
        "aligned",
    ),
    stopped("short-column", "returns columns of different lengths", short_column, "column values has 1 items for 3"),
    stopped(
        "unknown-point",
        "returns a point that is not there",
        || Parts::good().bytes(1416, &[9, 0]).component(),
        "names point 9",
    ),
    stopped("bad-id", "has a point with no proper id", || Parts::good().bytes(48, b"\n").component(), "not a point id"),
    stopped("forged-link", "uses a link that it was not given", forged_link, "unknown handle index 4242"),
    stopped(
        "forged-device",
        "returns a device that it did not make",
        || made(|p| p.open = "(i32.store (i32.const 1108) (i32.const 77)) (i32.const 1104)".into()),
        "unknown handle index 77",
    ),
    stopped("many-links", "opens 300 links", many_links, "limits.handles"),
    stopped("many-devices", "makes devices without end", many_devices, "limits.handles"),
    goes_on("many-lines", "logs 500 lines in each poll", many_lines, End::HeldBack("limits.log_lines_per_second")),
    goes_on(
        "many-points",
        "has 65,535 points and returns them all",
        many_points,
        End::HeldBack("limits.samples_per_second"),
    ),
    goes_on("more", "always has more, 50,000 rows at a time", more, End::HeldBack("limits.samples_per_second")),
    goes_on("long-reason", "fails with a reason of 10 MB", long_reason, End::Cut("10485760 bytes in all")),
    goes_on("large-snapshot", "leaves a snapshot of 4 MB", large_snapshot, End::NotKept("limits.snapshot")),
    goes_on("strange-numbers", "returns a signalling NaN and an infinity", strange_numbers, End::Allowed),
];
