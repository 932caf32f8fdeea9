//! The two files that come with the program: they load, and the reference says what the program does.

use std::collections::BTreeSet;
use std::path::PathBuf;

use toml::de::DeTable;

use super::Folder;

use crate::config::kind::Scope;
use crate::config::notes::{Notes, OptionText};
use crate::config::report::{Style, render};
use crate::config::section::Reader;
use crate::config::{Loaded, layers, load, read};

const MINIMAL: &str = "../configs/minimal.toml";
const FULL: &str = "../configs/full.toml";

/// The file's text with secrets that a test can read: the references of the reference lead nowhere.
fn load_shipped(file: &str) -> Loaded {
    let variables = [
        ("AUTHORITY_TOKEN", "t"),
        ("BROKER_PASSWORD", "p"),
        ("API_KEY", "k"),
        ("TUTIN__SINKS__AUTHORITY__HEADERS", "{ X-Api-Key = { env = \"API_KEY\" } }"),
    ];
    let variables: &[_] = if file == FULL { &variables } else { &[] };
    load(&[PathBuf::from(file)], variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
}

#[test]
fn the_minimal_file_loads_without_a_problem() {
    let loaded = load_shipped(MINIMAL);

    assert!(loaded.problems.is_empty(), "{}", render(&loaded.problems, Style::Short));
    let config = loaded.config.unwrap();
    assert_eq!(config.sources["stack-1"].parameters.len(), 3);
    assert_eq!(config.sources["stack-1"].rule_sets, ["kz-20min"]);
    assert_eq!(config.rule_sets["kz-20min"].validity.coverage, 2.0 / 3.0);
}

#[test]
fn the_rule_sets_that_come_with_the_program_ask_for_what_their_texts_say() {
    let rules = load_shipped(MINIMAL).config.unwrap().rule_sets;
    let check = |name: &str, minutes: u64, from: Option<&str>, coverage: f64, least: u32, zone: &str| {
        let of = &rules[name];
        let found =
            (of.block.as_secs() / 60, of.from.as_deref(), of.validity.coverage, of.validity.least, of.zone.as_str());
        assert_eq!(found, (minutes, from, coverage, least, zone), "{name}");
    };
    check("kz-20min", 20, None, 2.0 / 3.0, 0, "Asia/Almaty");
    check("kz-day", 1440, Some("kz-20min"), 2.0 / 3.0, 0, "Asia/Almaty");
    check("eu-30min", 30, None, 2.0 / 3.0, 0, "UTC");
    check("eu-60min", 60, None, 2.0 / 3.0, 0, "UTC");
    // At most 5 of 48 half-hours lost.
    check("eu-day", 1440, Some("eu-30min"), 0.0, 43, "UTC");
    // 12 of 12 five-second values, 45 minutes, 20 hours.
    check("cn-minute", 1, None, 1.0, 0, "Asia/Shanghai");
    check("cn-hour", 60, Some("cn-minute"), 0.75, 45, "Asia/Shanghai");
    check("cn-day", 1440, Some("cn-hour"), 0.0, 20, "Asia/Shanghai");
    check("us-hour", 60, None, 0.0, 0, "UTC");
    check("in-1min", 1, None, 2.0 / 3.0, 0, "Asia/Kolkata");
    check("in-15min", 15, Some("in-1min"), 2.0 / 3.0, 0, "Asia/Kolkata");
    // 45 seconds of a minute, 22 minutes of a half-hour.
    check("my-1min", 1, None, 0.75, 0, "Asia/Kuala_Lumpur");
    check("my-30min", 30, Some("my-1min"), 0.0, 22, "Asia/Kuala_Lumpur");
    assert_eq!(rules.len(), 13);
    let us = &rules["us-hour"];
    assert_eq!((us.validity.parts, us.validity.two_apart, us.constants.standard_celsius), (4, true, 20.0));
    let china = &rules["cn-minute"].constants;
    assert_eq!((china.molar_volume, china.zero_celsius), (22.4, 273.0));
}

#[test]
fn the_full_file_loads_without_a_problem() {
    let loaded = load_shipped(FULL);

    assert!(loaded.problems.is_empty(), "{}", render(&loaded.problems, Style::Short));
    assert!(loaded.config.is_some());
}

/// Options that the readers asked for while they read the full file, and what they know of them.
fn known_options() -> Vec<(String, OptionText)> {
    let layers = layers::read(&[PathBuf::from(FULL)], &[]);
    let environment = std::collections::BTreeMap::new();
    let scope = Scope { root: &layers.table, environment: &environment, home: "".as_ref() };
    let mut reader = Reader { scope, built_in: layers.built_in, notes: Notes::default() };
    read::everything(&mut reader);
    reader.notes.options.into_iter().collect()
}

/// Options in the full file with the comment above each: (option, comment). Names of sections become `*`.
fn documented_options() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(FULL).unwrap();
    let document = DeTable::parse(&text).unwrap();
    let mut found = Vec::new();
    for (section, table) in document.get_ref() {
        let (section, table) = (section.get_ref(), table.get_ref().as_table().unwrap());
        if matches!(section.as_ref(), "hub" | "journal" | "limits" | "loading" | "trust") {
            options_below(section, table, &text, &mut found);
            continue;
        }
        for table in table.values().map(|table| table.get_ref().as_table().unwrap()) {
            let kind = table.get("type").or_else(|| table.get("take")).and_then(|kind| kind.get_ref().as_str());
            let kind = kind.map(|kind| format!("({kind})")).unwrap_or_default();
            options_below(&format!("{section}.*{kind}"), table, &text, &mut found);
        }
    }
    found
}

fn options_below(path: &str, table: &DeTable<'_>, text: &str, found: &mut Vec<(String, String)>) {
    for (key, value) in table {
        let below = value.get_ref().as_table();
        match (key.get_ref().as_ref(), below) {
            ("limits", Some(_)) if path.starts_with("sources.") => {
                found.push((format!("{path}.limits"), comment_above(text, key.span().start)));
            }
            (
                "tls" | "limits" | "acknowledge" | "retention" | "plant_point" | "calibration" | "gate" | "confidence"
                | "zero_span" | "derived" | "signal" | "duct",
                Some(below),
            ) => {
                let kind = below.get("by").and_then(|kind| kind.get_ref().as_str());
                let kind = kind.map(|kind| format!("({kind})")).unwrap_or_default();
                options_below(&format!("{path}.{key}{kind}"), below, text, found)
            }
            ("companions", Some(below)) => {
                for (role, companion) in below {
                    let companion = companion.get_ref().as_table().unwrap();
                    options_below(&format!("{path}.companions.{}", role.get_ref()), companion, text, found);
                }
            }
            ("codes", Some(below)) => {
                for code in below.values() {
                    options_below(&format!("{path}.codes.*"), code.get_ref().as_table().unwrap(), text, found);
                }
            }
            ("parameters", Some(below)) => {
                for parameter in below.values() {
                    let parameter = parameter.get_ref().as_table().unwrap();
                    options_below(&format!("{path}.parameters.*"), parameter, text, found);
                }
            }
            _ => found.push((format!("{path}.{key}"), comment_above(text, key.span().start))),
        }
    }
}

fn comment_above(text: &str, position: usize) -> String {
    let lines: Vec<&str> = text[..position].lines().rev().collect();
    let skipped = usize::from(!text[..position].ends_with('\n'));
    let comment: Vec<&str> = lines.iter().skip(skipped).take_while(|line| line.starts_with('#')).copied().collect();
    // A list that goes on in the next line is one list.
    comment.into_iter().rev().collect::<Vec<_>>().join("\n").replace(",\n# ", ", ")
}

/// The type of a sink is one option, whichever type is written.
fn common(option: &str) -> String {
    let mut common = option.to_owned();
    // Every companion has the same options.
    if let Some((before, role)) = option.split_once(".companions.")
        && let Some((_, key)) = role.split_once('.')
    {
        common = format!("{before}.companions.*.{key}");
    }
    while let (Some(start), Some(end)) = (common.find('('), common.find(')')) {
        common.replace_range(start..=end, "");
    }
    common
}

#[test]
fn the_full_file_shows_every_option() {
    let documented: BTreeSet<String> = documented_options().into_iter().map(|(option, _)| option).collect();
    let commons: BTreeSet<String> = documented.iter().map(|option| common(option)).collect();

    let known = known_options();

    assert!(known.len() > 80, "only {} options known", known.len());
    for (option, _) in known {
        let there = documented.contains(&option)
            || (!option.contains('(') || option.contains(".companions.")) && commons.contains(&common(&option));
        assert!(there, "{option} is not in {FULL}");
    }
}

#[test]
fn the_full_file_shows_every_type() {
    let text = std::fs::read_to_string(FULL).unwrap();
    for (option, about) in known_options() {
        if option.ends_with(".type") || option.ends_with(".take") {
            let key = option.rsplit('.').next().unwrap();
            for choice in about.choices {
                assert!(text.contains(&format!("{key} = \"{choice}\"")), "{option} = {choice} is not in {FULL}");
            }
        }
    }
}

#[test]
fn the_full_file_tells_defaults_ranges_and_choices_as_the_program_has_them() {
    let known = known_options();
    let mut compared = 0;
    for (option, comment) in documented_options() {
        let Some((_, about)) = known.iter().find(|(name, _)| *name == option || *name == common(&option)) else {
            continue;
        };
        // A second example of an option need not repeat what the first says.
        if comment.is_empty() || option.starts_with("sources.*.label") || option.ends_with(".client_id") {
            continue;
        }
        compared += 1;
        let says = |words: String| assert!(comment.contains(&words), "{option}: {words:?} is not in\n{comment}");
        match &about.default {
            Some(default) => says(format!("Default: {default}")),
            None => says("Required.".to_owned()),
        }
        if let Some(range) = &about.range {
            says(format!("Range: {range}."));
        }
        if !about.choices.is_empty() {
            says(format!("One of: {}.", about.choices.join(", ")));
        }
    }
    assert!(compared > 70, "only {compared} options compared");
}

#[test]
fn the_effective_text_of_the_full_file_means_the_same_configuration() {
    let text = std::fs::read_to_string(FULL).unwrap().replace("{ file = \"secrets/api-key\" }", "{ env = \"KEY\" }");
    let maps = std::fs::canonicalize("../configs/devices").unwrap();
    let text = text.replace("settings_file = \"devices", &format!("settings_file = \"{}", maps.display()));
    let environment = [("AUTHORITY_TOKEN", "t"), ("BROKER_PASSWORD", "p"), ("KEY", "k")];
    let folder = Folder::with(&[("full.toml", &text)]);
    let first = folder.load(&["full.toml"], &environment);
    std::fs::write(folder.path("effective.toml"), &first.effective).unwrap();

    let again = folder.load(&["effective.toml"], &environment);

    assert!(first.config.is_some());
    assert_eq!(first.config, again.config);
}
