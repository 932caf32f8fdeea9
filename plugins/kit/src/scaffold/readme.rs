//! The README of a first folder: what it takes to build and try the driver, and what its users must be told.

use super::Link;
use crate::language::Language;

/// The text, `{{name}}` and the like not filled in yet.
pub(super) fn text(language: Language, link: Link) -> String {
    let common = include_str!("../../templates/README.md.txt");
    common
        .replace("{{needs}}", needs(language))
        .replace("{{helper}}", helper(language))
        .replace("{{hub}}", &hub(language, link))
        .replace("{{settings}}", settings(link))
}

/// What must be installed.
fn needs(language: Language) -> &'static str {
    match language {
        Language::Rust => {
            "the checkout of Tutin that `Cargo.toml` names, whose `target` it shares, and Rust with `rustup target add \
             wasm32-unknown-unknown`; on Debian its own packages do, which the command names"
        }
        Language::C => "`clang-19` and `lld-19`",
        Language::Python => "`python3 -m venv .venv && .venv/bin/pip install componentize-py==0.25.1`",
        Language::JavaScript => "Node.js and `npm install --no-save @bytecodealliance/componentize-js@0.23.0`",
    }
}

/// What the driver builds upon, which `tutin plugin build` brings.
fn helper(language: Language) -> &'static str {
    match language {
        Language::Rust => "`tutin_sdk` has what drivers need: `cargo doc -p tutin-sdk --open` in the checkout.",
        Language::C => {
            "`runtime.h` is written beside the bindings by the build, into `target/`: memory, texts, JSON, samples."
        }
        Language::Python => {
            "`tutin.py` is written beside the bindings by the build, into `target/`: points, samples, failures."
        }
        Language::JavaScript => {
            "`tutin.js` is written beside the bindings by the build, into `target/`: points, samples, failures."
        }
    }
}

/// How it stands in the configuration of a hub.
fn hub(language: Language, link: Link) -> String {
    let connection = match link {
        Link::Modbus => "type = \"modbus_tcp\"\naddress = \"192.0.2.10:502\"",
        Link::Stream => "type = \"stream_tcp\"\naddress = \"192.0.2.10:4001\"",
        Link::Opcua => "type = \"opcua\"\nurl = \"opc.tcp://192.0.2.10:4840/\"\npolicy = \"aes256_sha256_rsa_pss\"",
        Link::Mqtt => "type = \"mqtt\"\naddress = \"192.0.2.10:1883\"",
    };
    let device = match link {
        Link::Modbus => "unit = 1\nsettings = { word_order = \"high_first\" }",
        Link::Stream => "settings = { id = 1 }",
        Link::Opcua => "settings = { node = \"nsu=http://vendor.example/;s=NO\", unit = \"[ppb]\" }",
        Link::Mqtt => "topics = [\"plant/gas\"]\nsettings = { qos = 1 }",
    };
    format!(
        "[plugins.{{{{name}}}}]\nfile = \"{{{{name}}}}.wasm\"\n\n[links.line]\n{connection}\n\n\
         [devices.stack-1]\nplugin = \"{{{{name}}}}\"\nlink = \"line\"\ninterval = \"10s\"\n{device}{}",
        limits(language)
    )
}

/// An interpreter takes most of the 16 MiB that a driver may have when nothing is said.
fn limits(language: Language) -> &'static str {
    match language {
        Language::Rust | Language::C => "",
        Language::Python | Language::JavaScript => "\nlimits = { memory = \"32MiB\" }",
    }
}

fn settings(link: Link) -> &'static str {
    match link {
        Link::Modbus => "| `word_order` | required | which of the two words of a number comes first |",
        Link::Stream => "| `id` | required | address of the instrument on its line, 1 to 99 |",
        Link::Opcua => {
            "| `node` | required | the variable that is read |\n| `unit` | required | UCUM code of its unit |"
        }
        Link::Mqtt => "| `qos` | required | quality of service of the subscription, 0 to 2 |",
    }
}
