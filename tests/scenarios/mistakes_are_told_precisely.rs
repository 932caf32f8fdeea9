//! A configuration with mistakes starts nothing and says each of them, at its line.

use crate::support::hub::Site;

/// Ten mistakes, each with the line it is in and what the diagnostic must name.
const MISTAKES: &str = r#"[hub]
nam = "plant"

[links.line-a]
type = "modbus_tpc"
address = "127.0.0.1:5020"

[links.line-b]
type = "modbus_tcp"
address = "127.0.0.1:99999"

[plugins.map]
file = "map.wasm"

[devices.analyzer]
plugin = "mapp"
link = "line-b"
interval = "1 fortnight"
unit = 300

[sources.stack-1]
rule_sets = ["kz-20mins"]
parameters.NO2 = { device = "analyser", point = "no2" }

[routes.out]
take = "averages"
to = ["fiel"]

[sinks.file]
type = "file"
path = 7
"#;

#[test]
fn ten_mistakes_give_ten_diagnostics_with_their_lines() {
    let site = Site::new(MISTAKES);
    std::fs::write(site.path("map.wasm"), "").unwrap();
    let mut check = site.start(&["check", "tutin.toml", "--format", "short"]);
    assert_eq!(check.wait().code(), Some(1));
    let said = check.lines().text();
    let expected = [
        (2, "nam", "name"),
        (5, "modbus_tpc", "modbus_tcp"),
        (10, "99999", "port"),
        (16, "mapp", "map"),
        (18, "fortnight", "interval"),
        (19, "300", "255"),
        (22, "kz-20mins", "kz-20min"),
        (23, "analyser", "analyzer"),
        (27, "fiel", "file"),
        (31, "7", "path"),
    ];
    for (line, what, hint) in expected {
        let place = format!("tutin.toml:{line}:");
        let told =
            said.lines().find(|said| said.contains(&place)).unwrap_or_else(|| panic!("nothing at {place} in\n{said}"));
        assert!(told.contains(what) && told.contains(hint), "{told}");
    }
    let errors = said.lines().filter(|line| line.contains(": error: ")).count();
    assert_eq!(errors, expected.len(), "{said}");
}

#[test]
fn a_hub_with_a_wrong_configuration_starts_nothing() {
    let site = Site::new(MISTAKES);
    let mut hub = site.start(&["run", "tutin.toml"]);
    assert_eq!(hub.wait().code(), Some(1));
    assert!(!site.path("state").exists());
    assert!(hub.lines().text().contains("tutin.toml:2:"), "{}", hub.lines().text());
}
