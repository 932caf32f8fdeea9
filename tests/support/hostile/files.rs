//! Files that are no plugins, or that cost more to read and compile than any plugin may.

use std::fmt::Write;

use super::driver::{Parts, append};
use super::{End, Hostile};

/// Bytes of a component that would be admitted by its names, with these fields in front.
fn admitted(fields: &str) -> Vec<u8> {
    let text =
        format!("(component {fields} (instance $driver) (export \"tutin:driver/driver@0.1.0\" (instance $driver)))");
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error:.300}"))
}

/// A driver of which only the first half arrived.
pub fn truncated() -> Vec<u8> {
    let mut wasm = Parts::good().component();
    wasm.truncate(wasm.len() / 2);
    wasm
}

/// A driver with a bit turned in each of a hundred bytes of its code.
pub fn corrupted() -> Vec<u8> {
    let mut wasm = Parts::good().component();
    wasm.iter_mut().skip(8).take(100).for_each(|byte| *byte ^= 0x40);
    wasm
}

/// A core module, as compilers make them.
pub fn core_module() -> Vec<u8> {
    wat::parse_str("(module (func (export \"poll\")))").unwrap()
}

/// A driver followed by zeros, to this size.
pub fn padded(size: usize) -> Vec<u8> {
    let mut wasm = Parts::good().component();
    wasm.resize(size, 0);
    wasm
}

/// So many imports that nobody offers.
pub fn imports(count: u32) -> Vec<u8> {
    let imports = (0..count).fold(String::new(), |mut text, at| {
        write!(text, "(import \"evil:corp/import{at}@1.0.0\" (instance))").unwrap();
        text
    });
    admitted(&imports)
}

/// A core module of so many empty functions.
pub fn functions(count: usize) -> Vec<u8> {
    admitted(&format!("(core module {})", "(func)".repeat(count)))
}

/// So many types in the component itself.
pub fn types(count: usize) -> Vec<u8> {
    admitted(&"(type (list u8))".repeat(count))
}

/// One function of so many additions.
pub fn large_function(additions: usize) -> Vec<u8> {
    let body = "(local.set 0 (i64.add (local.get 0) (i64.const 0x7fffffffffffff)))".repeat(additions);
    admitted(&format!("(core module (func (param i64) {body}))"))
}

/// A component in a component, and so on: section 4 of each is the next.
pub fn nested(depth: usize) -> Vec<u8> {
    let (head, tail) = (b"\0asm\x0d\0\x01\0", admitted(""));
    let mut wasm = head.to_vec();
    for _ in 0..depth {
        let inner = std::mem::replace(&mut wasm, head.to_vec());
        append(&mut wasm, 4, &inner);
    }
    wasm.extend(&tail[head.len()..]);
    wasm
}

/// A component that contains one twice that contains one twice, and so on: 2 to the power of `depth` modules.
pub fn doubled(depth: usize) -> Vec<u8> {
    let mut inner = String::from("(component $c0 (core module $m (func)) (core instance (instantiate $m)))");
    for at in 1..=depth {
        let below = at - 1;
        inner =
            format!("(component $c{at} {inner} (instance (instantiate $c{below})) (instance (instantiate $c{below})))");
    }
    admitted(&format!("{inner} (instance (instantiate $c{depth}))"))
}

/// Functions, each below the limit of a function's size, that take a compiler long: many blocks with many values alive in all of them.
pub fn slow_to_compile(functions: usize) -> Vec<u8> {
    let locals = 400;
    let mut body = format!("(local {})", "i64 ".repeat(locals));
    for at in 0..3_000 {
        let (one, other) = (at % locals, (at * 7 + 3) % locals);
        write!(
            body,
            "(if (i64.eqz (local.get {one})) (then (local.set {other} (i64.mul (local.get {one}) (local.get {other})))))"
        )
        .unwrap();
    }
    admitted(&format!("(core module {})", format!("(func {body})").repeat(functions)))
}

const fn refused(name: &'static str, does: &'static str, make: fn() -> Vec<u8>, text: &'static str) -> Hostile {
    Hostile { name, does, make, end: End::Refused(text) }
}

/// All files that must not even be loaded.
pub const ALL: &[Hostile] = &[
    refused("empty-file", "a file without a byte", Vec::new, "no WebAssembly component"),
    refused("rubbish", "another kind of program", || b"MZ this is something else".to_vec(), "no WebAssembly component"),
    refused("truncated", "half of a driver", truncated, "no WebAssembly component"),
    refused("corrupted", "a driver with damaged bytes", corrupted, "no WebAssembly component"),
    refused("core-module", "a module, not a component", core_module, "core module"),
    refused("large-file", "a file of 200 MB", || padded(200_000_000), "loading.file"),
    refused("many-imports", "5,000 imports", || imports(5_000), "does not offer"),
    refused("many-functions", "600,000 functions", || functions(600_000), "loading.items"),
    refused("many-types", "600,000 types", || types(600_000), "loading.items"),
    refused("large-function", "one function of 2 MB", || large_function(150_000), "loading.function"),
    refused("nested", "components 5,000 deep", || nested(5_000), "more than 100 deep"),
    refused("doubled", "2^30 modules in a file of 4 KB", || doubled(30), "loading.compile"),
    refused("slow-to-compile", "functions that a compiler is slow on", || slow_to_compile(60), "loading.compile"),
];
