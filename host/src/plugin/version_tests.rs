//! What the guide says of versions, seen with the engine: what may be added so that plugins that are out there still run.

use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine, Store};

/// A component that was built when the interface had one function.
const BEFORE: &str = r#"(component
    (import "tutin:log/log@0.1.0" (instance $log (export "write" (func (param "level" u8)))))
    (core func $write (canon lower (func $log "write")))
    (core module $m (import "log" "write" (func (param i32))) (func (export "run") i32.const 3 call 0))
    (core instance $i (instantiate $m (with "log" (instance (export "write" (func $write))))))
    (func (export "run") (canon lift (core func $i "run"))))"#;

fn runs(version: &str, function: &str) -> Result<u32, String> {
    let engine = Engine::new(&Config::new()).unwrap();
    let component = Component::new(&engine, wat::parse_str(BEFORE).unwrap()).map_err(|error| format!("{error:#}"))?;
    let mut linker: Linker<u32> = Linker::new(&engine);
    let mut log = linker.instance(&format!("tutin:log/log@{version}")).unwrap();
    for name in [function, "added-later"] {
        let add = |mut store: wasmtime::StoreContextMut<'_, u32>, (level,): (u8,)| {
            *store.data_mut() += u32::from(level);
            Ok(())
        };
        log.func_wrap(name, add).unwrap();
    }
    let mut store = Store::new(&engine, 0);
    let instance = linker.instantiate(&mut store, &component).map_err(|error| format!("{error:#}"))?;
    let run = instance.get_typed_func::<(), ()>(&mut store, "run").unwrap();
    run.call(&mut store, ()).unwrap();
    Ok(*store.data())
}

#[test]
fn a_function_may_be_added_to_an_interface_that_plugins_import() {
    assert_eq!(runs("0.1.0", "write"), Ok(3));
    assert_eq!(runs("0.1.1", "write"), Ok(3), "a host with more does not run what was built before");
}

#[test]
fn another_major_number_and_another_name_run_nothing_that_was_built_before() {
    assert!(runs("0.2.0", "write").is_err());
    assert!(runs("0.1.1", "write-line").is_err());
}
