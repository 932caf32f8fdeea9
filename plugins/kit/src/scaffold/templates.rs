//! The files of a first folder.

use super::Link;
use crate::language::Language;

/// The files with their texts, `{{name}}` and the like not filled in yet.
pub(super) fn files(language: Language, link: Link) -> Vec<(&'static str, &'static str)> {
    let mut files = vec![(source(language), driver(language, link)), (".gitignore", gitignore(language))];
    match language {
        Language::Rust => files.push(("Cargo.toml", include_str!("../../templates/rust/Cargo.toml.txt"))),
        _ => files.push(("wit/world.wit", include_str!("../../templates/world.wit.txt"))),
    }
    let (case, expected) = case(link);
    files.extend([("cases/first/case.toml", case), ("cases/first/expected.jsonl", expected)]);
    files
}

fn source(language: Language) -> &'static str {
    match language {
        Language::Rust => "src/lib.rs",
        other => other.mark(),
    }
}

fn gitignore(language: Language) -> &'static str {
    match language {
        Language::Rust | Language::C => "/target\n",
        Language::Python => "/target\n/.venv\n__pycache__\n",
        Language::JavaScript => "/target\n/node_modules\n",
    }
}

fn driver(language: Language, link: Link) -> &'static str {
    match (language, link) {
        (Language::Rust, Link::Modbus) => include_str!("../../templates/rust/modbus.rs.txt"),
        (Language::Rust, Link::Stream) => include_str!("../../templates/rust/stream.rs.txt"),
        (Language::Rust, Link::Opcua) => include_str!("../../templates/rust/opcua.rs.txt"),
        (Language::Rust, Link::Mqtt) => include_str!("../../templates/rust/mqtt.rs.txt"),
        (Language::C, Link::Modbus) => include_str!("../../templates/c/modbus.c"),
        (Language::C, Link::Stream) => include_str!("../../templates/c/stream.c"),
        (Language::C, Link::Opcua) => include_str!("../../templates/c/opcua.c"),
        (Language::C, Link::Mqtt) => include_str!("../../templates/c/mqtt.c"),
        (Language::Python, Link::Modbus) => include_str!("../../templates/python/modbus.py"),
        (Language::Python, Link::Stream) => include_str!("../../templates/python/stream.py"),
        (Language::Python, Link::Opcua) => include_str!("../../templates/python/opcua.py"),
        (Language::Python, Link::Mqtt) => include_str!("../../templates/python/mqtt.py"),
        (Language::JavaScript, Link::Modbus) => include_str!("../../templates/js/modbus.js"),
        (Language::JavaScript, Link::Stream) => include_str!("../../templates/js/stream.js"),
        (Language::JavaScript, Link::Opcua) => include_str!("../../templates/js/opcua.js"),
        (Language::JavaScript, Link::Mqtt) => include_str!("../../templates/js/mqtt.js"),
    }
}

/// What is played, and what must come of it.
fn case(link: Link) -> (&'static str, &'static str) {
    match link {
        Link::Modbus => (
            include_str!("../../templates/cases/modbus/case.toml"),
            include_str!("../../templates/cases/modbus/expected.jsonl"),
        ),
        Link::Stream => (
            include_str!("../../templates/cases/stream/case.toml"),
            include_str!("../../templates/cases/stream/expected.jsonl"),
        ),
        Link::Opcua => (
            include_str!("../../templates/cases/opcua/case.toml"),
            include_str!("../../templates/cases/opcua/expected.jsonl"),
        ),
        Link::Mqtt => (
            include_str!("../../templates/cases/mqtt/case.toml"),
            include_str!("../../templates/cases/mqtt/expected.jsonl"),
        ),
    }
}
