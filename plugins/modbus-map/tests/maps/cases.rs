//! Every map of `configs/devices`, read from an instrument that its case plays: values, units and states as the facts say, faults
//! included, and no value where something that the map cannot know was not said.
//!
//! `TUTIN_BLESS=1` writes `expected.jsonl` anew, to be read before it is committed.

use crate::support::{Case, Fault, Opened, case, families, lines, map, merge, settings, writes};
use modbus_map_language::{ModbusMap, WritingMap};
use serde_json::{Map, Value};
use tutin_sdk::Timestamp;
use tutin_sdk::modbus::fake::Bank;
use tutin_sdk::words::WordOrder;

fn word_order(family: &str, site: &Value) -> WordOrder {
    settings(family, site).unwrap().word_order.unwrap_or(WordOrder::HighFirst)
}

/// The instrument as the case has it.
fn instrument(family: &str, case: &Case) -> Bank {
    let bank = Bank::new();
    let order = word_order(family, &case.site);
    case.cells.iter().for_each(|cells| cells.put(&bank, order));
    bank
}

fn open(family: &str, bank: &Bank, site: &Value) -> Opened {
    Opened::new(bank, &settings(family, site).unwrap()).unwrap_or_else(|failure| panic!("{family}: {failure}"))
}

#[test]
fn every_map_reads_its_instrument_as_expected() {
    for family in families() {
        let case = case(&family);
        let bank = instrument(&family, &case);
        let mut driver = open(&family, &bank, &case.site);

        let samples = driver.read().unwrap_or_else(|failure| panic!("{family}: {failure}"));

        let read = lines(&samples, &driver.points());
        let read: Vec<String> = read.iter().map(|line| serde_json::to_string(line).unwrap()).collect();
        let file = crate::support::folder(&family).join("expected.jsonl");
        if std::env::var_os("TUTIN_BLESS").is_some() {
            std::fs::write(&file, read.join("\n") + "\n").unwrap();
        }
        let expected = std::fs::read_to_string(&file).unwrap_or_default();
        let expected: Vec<&str> = expected.lines().collect();
        assert_eq!(read, expected, "{family}");
        assert_eq!(writes(&bank), case.setup, "{family}, before the first read");
        assert!(!case.origin.is_empty());
    }
}

#[test]
fn every_map_fails_without_what_only_the_site_knows_and_names_it() {
    for family in families() {
        let (map, case) = (map(&family), case(&family));
        let asked = map["ask"].as_object().into_iter().flatten().map(|(member, _)| member.clone());
        // Of units, those that the case's points need.
        let mut asked: Vec<String> = asked.filter(|member| member != "units").collect();
        if case.site.get("units").is_some() {
            asked.push("units".to_owned());
        }
        for member in asked {
            let site = without(&case.site, &member);
            let Ok(settings) = settings(&family, &site) else { panic!("{family} without {member} is no map at all") };
            let refusals =
                [ModbusMap::new(Bank::new(), &settings).err(), WritingMap::new(Bank::new(), &settings).err()];
            for refusal in refusals {
                let refusal = refusal.unwrap_or_else(|| panic!("{family} opens without {member}")).to_string();
                assert!(refusal.contains(&format!("settings.{member}")), "{family} without {member}: {refusal}");
                assert!(refusal.contains("how to find out"), "{family} without {member}: {refusal}");
            }
        }
    }
}

/// The site without a member, or without one of a table.
fn without(site: &Value, member: &str) -> Value {
    let mut site = site.as_object().unwrap().clone();
    match member.split_once('.') {
        None => {
            site.remove(member);
        }
        Some((table, name)) => {
            if let Some(Value::Object(table)) = site.get_mut(table) {
                table.remove(name);
            }
        }
    }
    Value::Object(site)
}

#[test]
fn every_fault_of_a_case_is_told_as_expected() {
    for family in families() {
        let case = case(&family);
        assert!(!case.faults.is_empty(), "{family} has no fault");
        for fault in &case.faults {
            let what = format!("{family}, {}", fault.name);
            let bank = instrument(&family, &case);
            let site = fault.site.as_ref().map_or_else(|| case.site.clone(), |over| merge(&case.site, over));
            let mut driver = open(&family, &bank, &site);
            if fault.site.is_none() {
                driver.read().unwrap_or_else(|failure| panic!("{what}, before: {failure}"));
            }
            let order = word_order(&family, &case.site);
            fault.cells.iter().for_each(|cells| cells.put(&bank, order));
            crate::support::fail(&bank, fault);
            tell(fault, &what, &mut driver);
        }
    }
}

fn tell(fault: &Fault, what: &str, driver: &mut Opened) {
    let samples = match (driver.read(), &fault.lost) {
        (Err(failure), Some(expected)) => {
            assert!(failure.to_string().contains(expected), "{what}: {failure}");
            return;
        }
        (Err(failure), None) => panic!("{what}: {failure}"),
        (Ok(_), Some(expected)) => panic!("{what}: the poll is not lost, as expected with {expected:?}"),
        (Ok(samples), None) => samples,
    };
    let read = lines(&samples, &driver.points());
    assert!(!fault.expect.is_empty() || !fault.absent.is_empty(), "{what}: nothing is expected");
    for expected in &fault.expect {
        let line = find(&read, &expected["point"]).unwrap_or_else(|| panic!("{what}: no point {}", expected["point"]));
        for (member, value) in expected {
            let is = line.get(member).unwrap_or(&Value::Null);
            let is_same = is == value || (value == "none" && is.is_null());
            assert!(is_same, "{what}: {member} of {} is {is} instead of {value}", expected["point"]);
        }
    }
    for absent in &fault.absent {
        assert!(find(&read, &absent.as_str().into()).is_none(), "{what}: {absent} is there");
    }
}

fn find<'a>(read: &'a [Map<String, Value>], point: &Value) -> Option<&'a Map<String, Value>> {
    read.iter().find(|line| &line["point"] == point)
}

#[test]
fn every_command_of_a_case_writes_what_is_expected_and_nothing_else() {
    for family in families() {
        let case = case(&family);
        let settings = settings(&family, &case.site).unwrap();
        for commanded in &case.commands {
            let what = format!("{family}, {}", commanded.run);
            let bank = instrument(&family, &case);
            let mut driver = WritingMap::new(bank.clone(), &settings).unwrap();
            driver.read(Timestamp(0)).unwrap();
            writes(&bank);

            let answer = driver.run(&commanded.run, &serde_json::to_string(&commanded.arguments).unwrap());

            match (&answer, &commanded.refused) {
                (Err(failure), Some(expected)) => assert!(failure.to_string().contains(expected), "{what}: {failure}"),
                (Ok(_), None) => {}
                (answer, expected) => panic!("{what}: {answer:?} instead of {expected:?}"),
            }
            assert_eq!(writes(&bank), commanded.writes, "{what}");
            driver.read(Timestamp(1_000_000_000)).unwrap();
            driver.read(Timestamp(1_000_000_000_000)).unwrap();
            assert_eq!(writes(&bank), commanded.taken_back, "{what}, taken back");
        }
    }
}

#[test]
fn every_command_of_a_map_is_played_by_its_case() {
    for family in families() {
        let case = case(&family);
        let settings = settings(&family, &case.site).unwrap();
        let of_variant = settings.variant.as_ref().and_then(|variant| settings.variants.get(variant));
        let names = settings.commands.keys().chain(of_variant.iter().flat_map(|variant| variant.commands.keys()));
        for name in names {
            assert!(case.commands.iter().any(|commanded| commanded.run == *name), "{family}: {name} is never played");
        }
    }
}
