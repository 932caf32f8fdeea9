//! Layers, origins, secrets and the effective configuration.

use std::fs;
use std::time::Duration;

use super::{Folder, SOUND};
use crate::config::Loaded;
use crate::config::model::{Config, Device, Link, SinkKind};
use crate::config::report::{Style, as_json, render};

const TOKEN: (&str, &str) = ("TOKEN", "hunter2");

fn config(loaded: Loaded) -> Config {
    let report = render(&loaded.problems, Style::Short);
    loaded.config.unwrap_or_else(|| panic!("{report}"))
}

fn device(loaded: Loaded) -> Device {
    config(loaded).devices.remove("t200-north").unwrap()
}

#[test]
fn a_later_layer_overrides_an_earlier_one_and_leaves_the_rest() {
    let over = "[devices.t200-north]\ninterval = \"5s\"\nunit = 3\n[rule_sets.kz-20min]\ncoverage = 0.5\n";
    let folder = Folder::with(&[("a.toml", SOUND), ("b.toml", over)]);
    let environment = [TOKEN, ("TUTIN__DEVICES__T200_NORTH__UNIT", "7"), ("TUTIN__HUB__NAME", "3")];

    let config = config(folder.load(&["a.toml", "b.toml"], &environment));

    let device = &config.devices["t200-north"];
    assert_eq!(device.interval, Duration::from_secs(5), "from the second file");
    assert_eq!(device.unit, 7, "from the environment");
    assert_eq!(device.link, "line-a", "from the first file");
    assert_eq!(config.hub.name, "3", "an environment variable is a text where a text is wanted");
    let rules = &config.rule_sets["kz-20min"];
    assert_eq!((rules.block, rules.validity.coverage), (Duration::from_secs(1200), 0.5), "over the built-in one");
}

#[test]
fn lists_are_replaced_and_not_joined() {
    let over = "[devices.t200-north]\nmore_units = [9]\n";
    let first = SOUND.replace("link = \"line-a\"", "link = \"line-a\"\nmore_units = [2, 3]");
    let folder = Folder::with(&[("a.toml", &first), ("b.toml", over)]);

    assert_eq!(device(folder.load(&["a.toml"], &[TOKEN])).more_units, [2, 3]);
    assert_eq!(device(folder.load(&["a.toml", "b.toml"], &[TOKEN])).more_units, [9]);
    let listed = [TOKEN, ("TUTIN__DEVICES__T200_NORTH__MORE_UNITS", "[4, 5]")];
    assert_eq!(device(folder.load(&["a.toml"], &listed)).more_units, [4, 5]);
}

#[test]
fn settings_reach_the_driver_with_their_types() {
    let folder = Folder::with(&[("a.toml", SOUND)]);
    let changed = [TOKEN, ("TUTIN__DEVICES__T200_NORTH__SETTINGS__GAP", "16")];

    let settings = device(folder.load(&["a.toml"], &[TOKEN])).settings;
    let expected = r#"{"model":"T200","nested":{"on":true},"ranges":[1,2.0],"since":"2026-11-23"}"#;
    assert_eq!(settings.to_string(), expected);

    let settings = device(folder.load(&["a.toml"], &changed)).settings;
    assert_eq!(settings["gap"], serde_json::json!(16));
}

#[test]
fn relative_paths_start_at_the_file_that_names_them() {
    let folder = Folder::with(&[("a.toml", SOUND)]);
    fs::create_dir(folder.path("site")).unwrap();
    fs::write(folder.path("site/b.toml"), "[plugins.p]\nfile = \"own.wasm\"\n").unwrap();

    let first = config(folder.load(&["a.toml"], &[TOKEN]));
    let both = config(folder.load(&["a.toml", "site/b.toml"], &[TOKEN]));

    assert_eq!(first.plugins["p"].file, folder.path("driver.wasm"));
    assert_eq!(both.plugins["p"].file, folder.path("site/own.wasm"));
    assert_eq!(both.hub.state, folder.path("state"), "a default starts at the first file");
}

#[test]
fn fields_keep_the_order_of_the_file() {
    let folder = Folder::with(&[("a.toml", SOUND)]);

    let mut config = config(folder.load(&["a.toml"], &[TOKEN]));

    let SinkKind::HttpJson(sink) = config.sinks.remove("authority").unwrap().kind else { panic!("another sink") };
    let names: Vec<String> = sink.fields.0.into_iter().map(|field| field.name).collect();
    assert_eq!(names, ["zulu", "alpha", "station"]);
}

#[test]
fn a_secret_from_a_file_loses_its_line_end_and_nothing_else() {
    let text = SOUND.replace("{ env = \"TOKEN\" }", "{ file = \"token\" }");
    let folder = Folder::with(&[("a.toml", &text), ("token", " hunter2 \r\n")]);

    let mut config = config(folder.load(&["a.toml"], &[]));

    let SinkKind::HttpJson(sink) = config.sinks.remove("authority").unwrap().kind else { panic!("another sink") };
    assert_eq!(sink.bearer.unwrap().expose(), " hunter2 ");
}

#[test]
fn the_effective_text_means_the_same_configuration_again() {
    let folder = Folder::with(&[("a.toml", SOUND)]);
    let first = folder.load(&["a.toml"], &[TOKEN]);
    fs::write(folder.path("again.toml"), &first.effective).unwrap();

    let again = folder.load(&["again.toml"], &[TOKEN]);

    assert_eq!(config(first), config(again));
}

#[test]
fn the_effective_text_says_where_each_option_was_set() {
    let folder = Folder::with(&[("a.toml", SOUND)]);

    let effective = folder.load(&["a.toml"], &[TOKEN, ("TUTIN__DEVICES__T200_NORTH__UNIT", "7")]).effective;

    let file = folder.path("a.toml").display().to_string();
    for line in [
        format!("link = \"line-a\" # {file}:11:8"),
        "unit = 7 # environment variable TUTIN__DEVICES__T200_NORTH__UNIT".to_owned(),
        "interval = \"1s\" # default".to_owned(),
        format!("settings.model = \"T200\" # {file}:12:22"),
        "block = \"20min\" # built in".to_owned(),
    ] {
        assert!(effective.lines().any(|found| found == line), "no line {line} in\n{effective}");
    }
}

#[test]
fn the_digest_follows_what_takes_effect_and_nothing_else() {
    let digest = |text: &str, environment: &[(&str, &str)]| {
        let folder = Folder::with(&[("a.toml", text)]);
        config(folder.load(&["a.toml"], environment)).digest
    };
    let first = digest(SOUND, &[TOKEN]);

    assert_eq!(first.len(), 64);
    let moved = format!("# a comment\n\n{SOUND}\n[journal]\ncommit_interval = \"0.2s\"\n");
    assert_eq!(digest(&moved, &[TOKEN]), first, "a default that is written out, and other lines");
    assert_eq!(digest(SOUND, &[("TOKEN", "another")]), first, "a secret's value");
    assert_ne!(digest(&SOUND.replace("10.0.0.5", "10.0.0.6"), &[TOKEN]), first);
    assert_ne!(digest(&SOUND.replace("ranges = [1, 2.0]", "ranges = [1, 2]"), &[TOKEN]), first);
    let swapped = SOUND.replace("zulu = \"start\"\nalpha = \"mean\"", "alpha = \"mean\"\nzulu = \"start\"");
    assert_ne!(digest(&swapped, &[TOKEN]), first, "the order of a payload's members");
}

#[test]
fn no_text_that_leaves_holds_a_secret() {
    let plain = SOUND.replace("bearer = { env = \"TOKEN\" }", "bearer = \"hunter2\"\nbatch = \"many\"");
    let inline = "sinks.s = { type = \"mqtt\", url = \"mqtt://u:hunter2@h\", password = \"hunter2\", topik = 1 }\n";
    let mistyped = SOUND.replace("bearer = { env = \"TOKEN\" }", "berer = \"hunter2\"");
    let unknown_type = mistyped.replace("http_json\"\nurl", "htp_json\"\nberer = \"hunter2\"\nurl");
    let broken = "[sinks.s]\ntype = \"http_json\"\nurl = \"http://user:hunter2@host:99999/\"\n";
    let header = "[sinks.s]\ntype = \"http_json\"\nurl = \"http://h/\"\nheaders = { Cookie = \"hunter2\" }\n";
    let by_variable = [("TUTIN__SINKS__AUTHORITY__BEARER", "hunter2"), TOKEN];
    for (text, environment) in [
        (SOUND, &[TOKEN][..]),
        (&plain, &[]),
        (inline, &[]),
        (header, &[]),
        (broken, &[]),
        (&mistyped, &[]),
        (&unknown_type, &[]),
        (SOUND, &by_variable),
    ] {
        let folder = Folder::with(&[("a.toml", text)]);
        let loaded = folder.load(&["a.toml"], environment);

        let json: Vec<String> = loaded.problems.iter().map(|problem| as_json(problem).to_string()).collect();
        let said = [
            render(&loaded.problems, Style::Graphic),
            render(&loaded.problems, Style::Narrated),
            render(&loaded.problems, Style::Short),
            json.join("\n"),
            format!("{:?}", loaded.problems),
            format!("{:?}", loaded.config),
            loaded.effective,
        ];
        for said in said {
            assert!(!said.contains("hunter2"), "{said}");
        }
    }
}

#[test]
fn the_line_in_question_is_quoted() {
    let folder = Folder::with(&[("a.toml", &SOUND.replace("10.0.0.5", "10.0.0.5:port"))]);

    let loaded = folder.load(&["a.toml"], &[TOKEN]);

    for style in [Style::Graphic, Style::Narrated] {
        let report = render(&loaded.problems, style);
        assert!(report.contains("address = \"10.0.0.5:port\""), "{report}");
        assert!(report.contains("a.toml"), "{report}");
        assert!(report.contains("a port is an integer from 1 to 65535"), "{report}");
    }
}

#[test]
fn a_path_leads_back_to_its_line() {
    let folder = Folder::with(&[("a.toml", &SOUND.replace("parameters.NO2", "parameters.\"PM2.5\""))]);
    let loaded = folder.load(&["a.toml"], &[TOKEN]);

    let line = |path: &str| loaded.places.find(path).and_then(|place| place.line_column()).map(|(line, _)| line);
    assert_eq!(line("sources.stack-1.parameters.\"PM2.5\".point"), Some(16));
    assert_eq!(line("devices.t200-north.interval"), None);
    let nearest = loaded.places.nearest("devices.t200-north.interval").unwrap();
    assert_eq!(nearest.line_column(), Some((9, 1)));
}

#[test]
fn an_address_without_port_gets_the_port_of_its_protocol() {
    let folder = Folder::with(&[("a.toml", SOUND)]);

    let config = config(folder.load(&["a.toml"], &[TOKEN]));

    let Link::ModbusTcp(link) = &config.links["line-a"] else { panic!("another kind of link") };
    assert_eq!(link.peer.address, "10.0.0.5:502");
}
