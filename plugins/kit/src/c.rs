//! C: a clang that makes WebAssembly, and its linker. Nothing else of a C implementation is needed: the bindings are made here, and
//! a small runtime comes with them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use wit_bindgen_core::Files;

use crate::component::{self, Built};
use crate::contract::{self, put};
use crate::error::{Error, at};
use crate::folder::{Folder, Places};
use crate::{fresh, tool};

/// Names of compiler and linker, the wanted ones first.
const PAIRS: [(&str, &str); 5] = [
    ("clang-19", "wasm-ld-19"),
    ("clang-20", "wasm-ld-20"),
    ("clang-18", "wasm-ld-18"),
    ("clang", "wasm-ld"),
    ("clang-16", "wasm-ld-16"),
];

/// What a driver in C includes and is linked with, besides the bindings.
const RUNTIME: [(&str, &str); 4] = [
    ("runtime.h", include_str!("../runtime/c/runtime.h")),
    ("runtime.c", include_str!("../runtime/c/runtime.c")),
    ("stdlib.h", include_str!("../runtime/c/stdlib.h")),
    ("string.h", include_str!("../runtime/c/string.h")),
];

/// Interfaces with the names that they have in C.
const NAMES: [(&str, &str); 9] = [
    ("tutin:driver/driver@0.1.0", "driver"),
    ("tutin:log/log@0.1.0", "log"),
    ("tutin:modbus/client@0.1.0", "modbus"),
    ("tutin:modbus/control@0.1.0", "modbus_control"),
    ("tutin:mqtt/client@0.1.0", "mqtt"),
    ("tutin:mqtt/control@0.1.0", "mqtt_control"),
    ("tutin:opcua/client@0.1.0", "opcua"),
    ("tutin:opcua/control@0.1.0", "opcua_control"),
    ("tutin:stream/client@0.1.0", "stream"),
];

/// Stack of the driver, bytes; it lies below all else, so that an overflow traps.
const STACK: u32 = 64 * 1024;

/// A compiler with its linker.
#[derive(Debug)]
pub struct Toolchain {
    compiler: PathBuf,
    linker: PathBuf,
}

impl Toolchain {
    /// What is there, else what to install.
    pub fn find() -> Result<Self, Error> {
        let pair = |(compiler, linker): (&str, &str)| {
            Some(Toolchain { compiler: tool::find(compiler)?, linker: tool::find(linker)? })
        };
        PAIRS.into_iter().find_map(pair).ok_or_else(|| Error::Missing {
            what: String::from("a clang that makes WebAssembly, with wasm-ld,"),
            install: String::from("run `apt-get install clang-19 lld-19` as root, or `apt-get install clang lld`"),
        })
    }
}

/// Builds the driver in C in a folder.
pub(crate) fn build(driver: &Folder, places: &Places) -> Result<Built, Error> {
    let wit = contract::lay_out(&driver.path, &places.scratch)?;
    let made = places.scratch.join("c");
    bindings(&wit, &made)?;
    for (name, text) in RUNTIME {
        put(&made.join(name), text.as_bytes())?;
    }
    let module = places.scratch.join("driver.wasm");
    if !fresh::is_fresh(&module, &[&driver.path, &made])? {
        compile(&Toolchain::find()?, driver, &made, &module)?;
    }
    component::encode(&driver.name, &module, &places.component)
}

/// Makes `tutin.h`, `tutin.c` and the object that tells the component's types.
fn bindings(wit: &Path, to: &Path) -> Result<(), Error> {
    let (mut resolve, world) = contract::world(wit)?;
    let imported = |(name, _): &&(&str, &str)| {
        let world = resolve.worlds.get(world);
        world.is_some_and(|world| {
            world.imports.keys().chain(world.exports.keys()).any(|key| resolve.name_world_key(key) == *name)
        })
    };
    let named = |(interface, name): &(&str, &str)| ((*interface).to_owned(), (*name).to_owned());
    let options = wit_bindgen_c::Opts {
        rename_world: Some(String::from("tutin")),
        rename: NAMES.iter().filter(imported).map(named).collect(),
        ..Default::default()
    };
    let mut files = Files::default();
    let made = options.build().generate(&mut resolve, world, &mut files);
    made.map_err(|error| Error::Contract { path: wit.to_owned(), reason: format!("no bindings: {error:#}") })?;
    files.iter().try_for_each(|(name, content)| put(&to.join(name), content))
}

fn compile(toolchain: &Toolchain, driver: &Folder, made: &Path, module: &Path) -> Result<(), Error> {
    let mut sources = contract::files(&driver.path, "c")?;
    sources.extend([made.join("tutin.c"), made.join("runtime.c")]);
    let mut objects = vec![made.join("tutin_component_type.o")];
    for (number, source) in sources.iter().enumerate() {
        let object = made.join(format!("{number}.o"));
        let is_ours = source.starts_with(made);
        let mut command = Command::new(&toolchain.compiler);
        command.args(["--target=wasm32-unknown-unknown", "-mbulk-memory", "-std=c11", "-Os", "-ffreestanding"]);
        command.args(if is_ours { ["-w"].as_slice() } else { &["-Wall", "-Wextra", "-Wno-unused-parameter"] });
        command.arg("-isystem").arg(made).arg("-c").arg(source).arg("-o").arg(&object);
        tool::run(&mut command)?;
        objects.push(object);
    }
    let partial = module.with_extension("partial");
    let mut command = Command::new(&toolchain.linker);
    command.args(["--no-entry", "--gc-sections", "--strip-all", "--stack-first", "-z"]);
    command.arg(format!("stack-size={STACK}")).args(objects).arg("-o").arg(&partial);
    tool::run(&mut command)?;
    fs::rename(&partial, module).map_err(at("write", module))
}
