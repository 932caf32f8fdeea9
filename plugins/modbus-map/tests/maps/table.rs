//! The table in `configs/devices/README.md` says what the maps say.
//!
//! `TUTIN_BLESS=1` writes it anew.

use crate::support::{families, map, root};
use serde_json::Value;

const BEGIN: &str = "<!-- table: made from the maps by plugins/modbus-map/tests/maps/table.rs -->\n";
const END: &str = "<!-- end of the table -->\n";

/// Points of a map, repetitions counted.
fn points(map: &Value) -> u64 {
    let points = map["points"].as_array().into_iter().flatten();
    points.map(|point| point["repeat"]["count"].as_u64().unwrap_or(1)).sum()
}

fn names(table: &Value) -> Vec<&str> {
    table.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect()
}

fn list(names: &[&str]) -> String {
    if names.is_empty() { "-".to_owned() } else { names.join(", ") }
}

/// One row, and one more for each variant.
fn rows(family: &str) -> String {
    let map = map(family);
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{family}: about is not complete")).to_owned();
    let (name, proof) = (text(&map["about"]["family"]), text(&map["about"]["proof"]));
    let mut asked = names(&map["ask"]);
    asked.sort_unstable();
    let commands = names(&map["commands"]);
    let component = |has_setup: bool| match (has_setup, commands.is_empty()) {
        (true, _) => "modbus-map-control",
        (false, false) => "modbus-map; modbus-map-control for commands",
        (false, true) => "modbus-map",
    };
    let variants = names(&map["variants"]);
    let sizes = if variants.is_empty() {
        points(&map).to_string()
    } else {
        let of = |name: &&str| format!("{name} {}", points(&map) + points(&map["variants"][name]));
        variants.iter().map(of).collect::<Vec<_>>().join(", ")
    };
    let mut needed = component(!map["setup"].is_null()).to_owned();
    for variant in variants.iter().filter(|name| !map["variants"][name]["setup"].is_null()) {
        needed.push_str(&format!("; {} for {variant}", component(true)));
    }
    let (asked, commands) = (list(&asked), list(&commands));
    format!("| [{family}]({family}.toml) | {name} | {sizes} | {asked} | {proof} | {needed} | {commands} |\n")
}

#[test]
fn the_table_of_maps_is_what_the_maps_say() {
    let file = root().join("configs/devices/README.md");
    let text = std::fs::read_to_string(&file).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (table, after) = rest.split_once(END).unwrap();
    let head = "| file | instruments | points | the site says | proof | component | commands |\n| --- | --- | --- | --- | --- | --- | --- |\n";

    let made = head.to_owned() + &families().iter().map(|family| rows(family)).collect::<String>();

    if std::env::var_os("TUTIN_BLESS").is_some() {
        std::fs::write(&file, format!("{before}{BEGIN}{made}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(table, made, "TUTIN_BLESS=1 cargo test -p modbus-map writes it anew");
}

#[test]
fn every_map_begins_with_its_source_and_what_is_not_known() {
    for family in families() {
        let text = std::fs::read_to_string(root().join(format!("configs/devices/{family}.toml"))).unwrap();
        let head: Vec<&str> = text.lines().take_while(|line| line.starts_with('#')).collect();
        let head = head.join("\n");
        for word in ["Source: ", "roof ", "# Not known"] {
            assert!(head.contains(word), "{family}: no {word:?} in the comment at its top");
        }
        let map = map(&family);
        for source in map["about"]["sources"].as_array().unwrap() {
            assert!(source["document"].is_string() && source["place"].is_string(), "{family}: {source}");
        }
    }
}
