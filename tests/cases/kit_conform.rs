//! Every shipped driver passes its own cases and stands what every driver must stand; one that lies does not.

use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use crate::support::hub::{Site, plugin};
use crate::support::test_file;

/// Folders of `plugins/` that are no drivers.
const OTHERS: [&str; 3] = ["examples", "kit", "sdk"];

/// Drivers of protocols in which an instrument can answer with an error.
const REFUSED: [&str; 5] = ["modbus-map", "modbus-map-control", "opcua-adi", "opcua-adi-control", "teledyne-t"];

/// One driver at a time: each is put through everything at once, and what waits too long for the machine looks like a driver that does not come
/// back.
static TURN: Mutex<()> = Mutex::new(());

/// A test for each driver, and the list of them.
macro_rules! drivers {
    ($($test:ident: $driver:literal,)*) => {
        const DRIVERS: &[&str] = &[$($driver),*];
        $(
            #[test]
            fn $test() {
                passes($driver);
            }
        )*
    };
}

drivers! {
    ak_protocol_conforms: "ak-protocol",
    bayern_hessen_conforms: "bayern-hessen",
    hj212_station_conforms: "hj212-station",
    modbus_map_conforms: "modbus-map",
    modbus_map_control_conforms: "modbus-map-control",
    mqtt_json_conforms: "mqtt-json",
    opcua_adi_conforms: "opcua-adi",
    opcua_adi_control_conforms: "opcua-adi-control",
    sparkplug_b_conforms: "sparkplug-b",
    teledyne_ascii_conforms: "teledyne-ascii",
    teledyne_t_conforms: "teledyne-t",
    thermo_clink_conforms: "thermo-clink",
}

#[test]
fn every_driver_is_put_to_the_test() {
    let folders = fs::read_dir(test_file("../plugins")).unwrap().map(|entry| entry.unwrap().path());
    let drivers = folders.filter(|folder| folder.is_dir()).map(|folder| folder.file_name().unwrap().to_owned());
    let mut drivers: Vec<String> = drivers.map(|name| name.into_string().unwrap()).collect();
    drivers.retain(|name| !OTHERS.contains(&name.as_str()));
    drivers.sort();

    assert_eq!(drivers, DRIVERS);
}

#[test]
fn a_driver_that_tells_values_while_its_instrument_is_silent_does_not_conform() {
    let site = Site::new("");
    let case = test_file("plugins/misbehaving/cases/lie");
    let file = plugin("misbehaving");
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);

    let arguments = ["plugin", "conform", file.to_str().unwrap(), "--case", case.to_str().unwrap()];
    let said = site.said(&[&arguments[..], &["--format", "json", "--to", "report.json"]].concat());

    assert!(!said.success, "{}", said.text);
    let report: Value = serde_json::from_str(&site.read("report.json")).unwrap();
    let silence = report["checks"].as_array().unwrap().iter().find(|check| check["name"] == "silence").unwrap();
    let fault = "while it is silent: no2 is 12.5 and valid, and the instrument did not say so";
    assert_eq!((&silence["outcome"], &silence["faults"][0]), (&"failed".into(), &fault.into()), "{report:#}");
}

#[test]
fn a_case_that_cannot_be_played_is_told_once() {
    let site = Site::new("");
    fs::create_dir(site.path("case")).unwrap();
    fs::write(site.path("case/case.toml"), "about = 'x'\n[link]\ntimeout = 'no time'\n[[step]]\n").unwrap();
    let file = plugin("teledyne-ascii");

    let arguments = ["plugin", "conform", file.to_str().unwrap(), "--case", "case", "--format", "json"];
    let said = site.said(&[&arguments[..], &["--to", "report.json"]].concat());

    assert!(!said.success, "{}", said.text);
    let report: Value = serde_json::from_str(&site.read("report.json")).unwrap();
    let checks = report["checks"].as_array().unwrap();
    let reason = checks[0]["faults"][0].as_str().unwrap();
    assert!(checks.len() == 1 && reason.contains("\"no time\" is not a duration"), "{report:#}");
}

fn passes(driver: &str) {
    let site = Site::new("");
    let (folder, file) = (folder(driver), plugin(driver));
    let (folder, file) = (folder.to_str().unwrap(), file.to_str().unwrap());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);

    let cases = site.said(&["plugin", "test", folder, "--plugin", file]);
    let report = site.said(&["plugin", "conform", file]);

    assert!(cases.success, "{driver}, its cases:\n{}", cases.text);
    assert!(report.success, "{driver} does not conform:\n{}", report.text);
    assert_eq!(report.text.contains("passed  exception"), REFUSED.contains(&driver), "{}", report.text);
}

fn folder(driver: &str) -> PathBuf {
    test_file("../plugins").join(driver)
}
