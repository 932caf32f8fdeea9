//! Generated from `wit/`. The world names every capability that the SDK knows; a component imports only those that its
//! driver calls, because the linker drops the rest and the component is made from what is left.
#![allow(unsafe_code, missing_docs, clippy::all, reason = "generated code")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "generated code")]

wit_bindgen::generate!({
    path: ["../../wit/log", "../../wit/modbus", "../../wit/stream", "../../wit/mqtt", "../../wit/opcua", "../../wit/driver"],
    inline: "
        package tutin:sdk;
        world any-driver {
            include tutin:driver/plugin@0.1.0;
            import tutin:modbus/client@0.1.0;
            import tutin:modbus/control@0.1.0;
            import tutin:%stream/client@0.1.0;
            import tutin:mqtt/client@0.1.0;
            import tutin:mqtt/control@0.1.0;
            import tutin:opcua/client@0.1.0;
            import tutin:opcua/control@0.1.0;
        }
    ",
    world: "tutin:sdk/any-driver",
    pub_export_macro: true,
    default_bindings_module: "tutin_sdk::bindings",
    generate_all,
});
