//! `tutin calc`: recorded samples through the whole chain, and a program that we did not write the steps of comes to the same numbers.

use std::fs;
use std::process::Command;

use crate::support::hub::Site;
use crate::support::{python, test_file};

/// Columns of the recording that the chain uses, and their units.
const UNITS: [(&str, &str); 5] = [
    ("ambient_pressure_mbar", "mbar"),
    ("exhaust_pressure_mbar", "mbar"),
    ("turbine_after_temperature_c", "Cel"),
    ("co_mg_m3", "mg/m3"),
    ("nox_mg_m3", "mg/m3"),
];

/// A folder with the configuration of the reference and the recording, whose columns have their units.
fn site() -> Site {
    let site = Site::new(&fs::read_to_string(test_file("reference/gas-turbine.toml")).unwrap());
    let recording = fs::read_to_string(recording()).unwrap();
    let (header, rows) = recording.split_once('\n').unwrap();
    let unit = |name: &str| UNITS.iter().find(|(column, _)| *column == name).map(|(_, unit)| format!(" ({unit})"));
    let columns: Vec<String> =
        header.trim().split(',').map(|name| format!("{name}{}", unit(name).unwrap_or_default())).collect();
    fs::write(site.path("turbine.csv"), format!("{}\n{rows}", columns.join(","))).unwrap();
    site
}

fn recording() -> std::path::PathBuf {
    test_file("../host/src/simulator/data/gas-turbine-hourly-a.csv")
}

fn calc(site: &Site, more: &[&str]) -> (bool, String) {
    let mut arguments =
        vec!["calc", "turbine.csv", "--config", "tutin.toml", "--start", "2026-01-01", "--step", "1min"];
    arguments.extend(more);
    let mut command = site.start(&arguments);
    let success = command.wait().success();
    (success, command.lines().text())
}

#[test]
fn the_recorded_turbine_comes_out_as_an_independent_program_computes_it() {
    let site = site();
    let (success, text) = calc(&site, &["--format", "csv"]);
    assert!(success, "{text}");
    let averages: String =
        text.lines().filter_map(|line| line.split_once("out | ")).map(|(_, row)| format!("{row}\n")).collect();
    fs::write(site.path("averages.csv"), averages).unwrap();

    let reference = Command::new(python())
        .arg(test_file("reference/gas_turbine.py"))
        .arg(recording())
        .arg(site.path("averages.csv"))
        .output()
        .unwrap();

    let said = String::from_utf8_lossy(&reference.stdout);
    print!("{said}");
    assert!(reference.status.success(), "{said}{}", String::from_utf8_lossy(&reference.stderr));
    let compared: u32 = said.split_whitespace().next().unwrap().parse().unwrap();
    assert!(compared > 3000, "{said}");
}

#[test]
fn every_step_of_a_block_is_shown_with_its_numbers() {
    let site = site();
    let (success, text) =
        calc(&site, &["--parameter", "NOx", "--rule-set", "hours", "--explain", "2026-01-01T02:10:00Z"]);
    assert!(success, "{text}");
    for expected in [
        "turbine NOx under hours: block 2026-01-01T02:00:00Z to 2026-01-01T03:00:00Z, labelled 2026-01-01T07:00:00+05:00",
        "calibration  y = 1.7 + 0.981 * x (EN 14181, QAL2)",
        "standard     y * ((273.15 + t) / 273.15 * 101325 / p)",
        "dry          y / (1 - H / 100)",
        "2026-01-01T07:59:00+05:00",
        "coverage     60 / 60 = 1; needed 0.6666666666666666",
        "* (21 - 15) / (21 - 14.2) = ",
        "note         oxygen is a substitute",
    ] {
        assert!(text.contains(expected), "{expected:?} is not in\n{text}");
    }
}

#[test]
fn a_file_that_cannot_be_used_is_told_with_what_to_do() {
    let site = site();
    let check = |arguments: &[&str], expected: &str| {
        let mut command = site.start(arguments);
        assert!(!command.wait().success(), "{arguments:?}");
        let text = command.lines().text();
        assert!(text.contains(expected), "{expected:?} is not in\n{text}");
    };
    let config = ["--config", "tutin.toml"];
    check(&[&["calc", "nowhere.csv"], &config[..]].concat(), "cannot read nowhere.csv");
    check(&[&["calc", "turbine.csv"], &config[..]].concat(), "say --start and --step");
    check(
        &[&["calc", "turbine.csv", "--source", "s"], &config[..]].concat(),
        "no source s in the configuration; there is: turbine",
    );
    fs::write(site.path("bad.csv"), "time,co_mg_m3 (mg/m3)\n2026-01-01T00:00:00Z,much\n").unwrap();
    check(&[&["calc", "bad.csv"], &config[..]].concat(), "line 2, turbine.co_mg_m3: \"much\" is not a number");
    fs::write(site.path("bare.csv"), "time,co_mg_m3\n2026-01-01T00:00:00Z,1\n").unwrap();
    check(&[&["calc", "bare.csv"], &config[..]].concat(), "column \"co_mg_m3\" has no unit");
    fs::write(site.path("other.csv"), "time,x\n2026-01-01T00:00:00Z,1\n").unwrap();
    check(&[&["calc", "other.csv"], &config[..]].concat(), "no column is a point of the configuration");
}

#[test]
fn what_was_exported_can_be_calculated_again() {
    let site = site();
    let mut rows =
        String::from("entry,device,point,sampled_at,received_at,value,text,unit,state,qualifiers,status,raw\n");
    for minute in 0..60 {
        let at = format!("2026-01-01T00:{minute:02}:00Z");
        for (point, value, unit) in [
            ("co_mg_m3", 10.0, "mg/m3"),
            ("turbine_after_temperature_c", 540.0, "Cel"),
            ("ambient_pressure_mbar", 1015.0, "mbar"),
            ("exhaust_pressure_mbar", 25.0, "mbar"),
            ("nobody_asked", 1.0, "V"),
        ] {
            rows += &format!("{minute},turbine,{point},{at},{at},{value},,{unit},valid,,,\n");
        }
    }
    fs::write(site.path("samples.csv"), rows).unwrap();
    let arguments = ["calc", "samples.csv", "--config", "tutin.toml", "--parameter", "CO", "--rule-set", "hours"];
    let mut command = site.start(&[&arguments[..], &["--explain", "2026-01-01T00:30:00Z"]].concat());
    assert!(command.wait().success());
    let text = command.lines().text();
    assert!(text.contains("point co_mg_m3 of device turbine, in mg/m3"), "{text}");
    assert!(text.contains("coverage     60 / 60 = 1"), "{text}");
    // The recording's point that is not in the file is told of once, and not for every row.
    assert!(text.matches("has no point").count() <= 1, "{text}");
}
