//! A driver in WebAssembly text whose every part can be replaced by something hostile.
//!
//! What it hands over lies ready in its memory, laid out as the canonical ABI has it (Component Model, "Canonical ABI"; all numbers little
//! endian, a list or text is its address and its length):
//!
//! ```text
//!   16  texts: name, version, settings, id of the point
//! 1024  describe: name, version, vendor, models, settings, links, commands, features
//! 1104  open:     0 for ok, handle
//! 1200  points:   list of one; the point at 1216
//! 1296  poll:     0 for ok, then the batch at 1300: eight columns, texts included, more, points-changed
//! 1400  value, 1416 point: the one row of the batch
//! 1504  snapshot: list
//! 65536 what the host hands in
//! ```

use std::fmt::Write;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::support::test_file;

/// The parts of a driver, each as the text of a function's body or of a module's field.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Pages of 64 KiB, and the most that it says it may have.
    pub memory: String,
    /// Imports and further functions, tables, globals.
    pub fields: String,
    /// Runs when it is instantiated.
    pub start: String,
    pub describe: String,
    pub open: String,
    pub points: String,
    pub poll: String,
    /// Runs when the host has taken over what a poll returned.
    pub after_poll: String,
    pub snapshot: String,
    /// Where the host may put so many bytes.
    pub realloc: String,
    /// What lies in memory: address and bytes, later ones over earlier ones.
    pub data: Vec<(u32, Vec<u8>)>,
}

/// A loop without end.
pub const LOOP: &str = "(loop $ever (br $ever)) unreachable";

impl Parts {
    /// A driver that does nothing wrong: one point, one sample in each poll.
    pub fn good() -> Self {
        let text = |address: u32, text: &str| (address, text.as_bytes().to_vec());
        let data = vec![
            text(16, "hostile"),
            text(32, "1"),
            text(40, "{}"),
            text(48, "p"),
            (1024, words(&[16, 7, 32, 1, 0, 0, 0, 0, 40, 2, 0, 0, 0, 0, 2])),
            (1104, words(&[0, 0])),
            (1200, words(&[1216, 1])),
            (1216, words(&[48, 1, 48, 1, 32, 1, 0])),
            (1296, words(&[0])),
            (1300, batch(1416, 1, 1400, 1)),
            (1400, 42.5_f64.to_le_bytes().to_vec()),
            (1504, words(&[0, 0])),
        ];
        Parts {
            memory: "2".into(),
            fields: String::new(),
            start: String::new(),
            describe: "(i32.const 1024)".into(),
            open: "(i32.store (i32.const 1108) (call $device (i32.const 1))) (i32.const 1104)".into(),
            points: "(i32.const 1200)".into(),
            poll: "(i32.const 1296)".into(),
            after_poll: String::new(),
            snapshot: "(i32.const 1504)".into(),
            realloc: "(i32.const 65536)".into(),
            data,
        }
    }

    /// Puts these numbers into memory.
    pub fn words(mut self, address: u32, numbers: &[u32]) -> Self {
        self.data.push((address, words(numbers)));
        self
    }

    /// Puts these bytes into memory.
    pub fn bytes(mut self, address: u32, bytes: &[u8]) -> Self {
        self.data.push((address, bytes.to_vec()));
        self
    }

    /// The component.
    pub fn component(&self) -> Vec<u8> {
        let mut module = wat::parse_str(self.text()).unwrap_or_else(|error| panic!("{error}\n{}", self.text()));
        let mut resolve = Resolve::default();
        for package in ["log", "modbus", "driver"] {
            resolve.push_dir(test_file("../wit").join(package)).unwrap();
        }
        let world = "package tutin:hostile;
            world hostile { include tutin:driver/plugin@0.1.0; import tutin:modbus/client@0.1.0; }";
        let package = resolve.push_str("hostile.wit", world).unwrap();
        let world = resolve.select_world(&[package], None).unwrap();
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
    }

    fn text(&self) -> String {
        let Parts { memory, fields, start, describe, open, points, poll, after_poll, snapshot, realloc, data } = self;
        let driver = "tutin:driver/driver@0.1.0#";
        let mut text = format!(
            r#"(module
            (import "[export]tutin:driver/driver@0.1.0" "[resource-new]device" (func $device (param i32) (result i32)))
            {fields}
            (memory (export "memory") {memory})
            (func $start {start})
            (start $start)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) {realloc})
            (func (export "{driver}describe") (result i32) {describe})
            (func (export "{driver}[static]device.open") (param i32 i32) (result i32) {open})
            (func (export "{driver}[method]device.points") (param i32) (result i32) {points})
            (func (export "{driver}[method]device.poll") (param i32 i64) (result i32) {poll})
            (func (export "cabi_post_{driver}[method]device.poll") (param i32) {after_poll})
            (func (export "{driver}[method]device.backfill") (param i32 i64 i64 i32 i32) (result i32) unreachable)
            (func (export "{driver}[method]device.command") (param i32 i32 i32 i32 i32) (result i32) unreachable)
            (func (export "{driver}[method]device.snapshot") (param i32) (result i32) {snapshot})
            (func (export "{driver}[method]device.restore") (param i32 i32 i32) (result i32) (i32.const 1104))
            "#
        );
        for (address, bytes) in data {
            let escaped = bytes.iter().fold(String::new(), |mut text, byte| {
                write!(text, "\\{byte:02x}").unwrap();
                text
            });
            writeln!(text, "(data (i32.const {address}) \"{escaped}\")").unwrap();
        }
        text.push(')');
        text
    }
}

/// A module as the next sections of a driver, which has an instance of it beside its own.
pub fn beside_a_driver(module: &[u8]) -> Vec<u8> {
    let mut wasm = Parts::good().component();
    let index = sections(&wasm).iter().filter(|section| section.0 == CORE_MODULE).count() as u8;
    append(&mut wasm, CORE_MODULE, module);
    append(&mut wasm, CORE_INSTANCE, &[1, 0, index, 0]);
    wasm
}

/// Kinds of sections in a component.
pub const CORE_MODULE: u8 = 1;
pub const CORE_INSTANCE: u8 = 2;

/// Kind of each section of a component, and where it stands.
pub fn sections(wasm: &[u8]) -> Vec<(u8, std::ops::Range<usize>)> {
    let (mut at, mut found) = (8, Vec::new());
    while at < wasm.len() {
        let begin = at;
        let (mut size, mut shift) = (0, 0);
        loop {
            at += 1;
            size |= usize::from(wasm[at] & 0x7f) << shift;
            shift += 7;
            if wasm[at] < 0x80 {
                break;
            }
        }
        at += 1 + size;
        found.push((wasm[begin], begin..at));
    }
    found
}

/// Numbers as they lie in memory.
pub fn words(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// A batch with two columns, the others empty.
pub fn batch(points: u32, point_rows: u32, values: u32, value_rows: u32) -> Vec<u8> {
    let empty = [0; 12];
    let flags = [0];
    words(&[[points, point_rows, values, value_rows].as_slice(), &empty, &flags].concat())
}

/// Writes `count` records of `size` bytes from an address on; each word of a record is an expression in which `$i` is the record's number.
pub fn records(address: u32, count: u32, size: u32, fields: &[(u32, &str)]) -> String {
    let stores = fields.iter().fold(String::new(), |mut text, (offset, value)| {
        let place = format!("(i32.add (i32.const {address}) (i32.mul (local.get $i) (i32.const {size})))");
        write!(text, "(i32.store offset={offset} {place} {value})").unwrap();
        text
    });
    format!(
        "(local $i i32) (loop $next {stores}
        (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const {count}))))"
    )
}

/// Appends a section to a module or component.
pub fn append(wasm: &mut Vec<u8>, kind: u8, section: &[u8]) {
    wasm.push(kind);
    let mut size = section.len();
    while size >= 0x80 {
        wasm.push((size & 0x7f) as u8 | 0x80);
        size >>= 7;
    }
    wasm.push(size as u8);
    wasm.extend(section);
}
