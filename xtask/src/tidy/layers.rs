//! The one direction in which the host's modules may know each other.
//!
//! `main → hub → {plugin → capability, journal, pipeline, sink} → the vocabulary and the configuration`. Stages never name
//! each other; the hub joins them. Code below `#[cfg(test)] mod` is free: a test may stand where it likes.

use super::Fault;

/// A module with those of the host's modules that it must not know.
struct Layer {
    name: &'static str,
    forbidden: &'static [&'static str],
}

const VOCABULARY: &[&str] =
    &["config", "plugin", "capability", "journal", "export", "pipeline", "sink", "hub", "cli", "simulator"];

const LAYERS: [Layer; 19] = [
    Layer { name: "alarm", forbidden: VOCABULARY },
    Layer { name: "digest", forbidden: VOCABULARY },
    Layer { name: "key", forbidden: VOCABULARY },
    Layer { name: "method", forbidden: VOCABULARY },
    Layer { name: "rounding", forbidden: VOCABULARY },
    Layer { name: "status_table", forbidden: VOCABULARY },
    Layer { name: "reading", forbidden: VOCABULARY },
    Layer { name: "average", forbidden: VOCABULARY },
    Layer { name: "notation", forbidden: VOCABULARY },
    Layer { name: "status", forbidden: VOCABULARY },
    Layer { name: "time", forbidden: VOCABULARY },
    Layer {
        name: "config",
        forbidden: &["plugin", "capability", "journal", "export", "pipeline", "sink", "hub", "cli", "simulator"],
    },
    Layer { name: "plugin", forbidden: &["journal", "pipeline", "sink", "export", "hub", "cli", "simulator"] },
    Layer {
        name: "capability",
        forbidden: &["plugin", "journal", "pipeline", "sink", "export", "hub", "cli", "simulator"],
    },
    Layer {
        name: "journal",
        forbidden: &["plugin", "capability", "pipeline", "sink", "export", "hub", "cli", "simulator"],
    },
    Layer { name: "export", forbidden: &["plugin", "capability", "pipeline", "sink", "hub", "cli", "simulator"] },
    Layer {
        name: "pipeline",
        forbidden: &["plugin", "capability", "journal", "sink", "export", "hub", "cli", "simulator"],
    },
    Layer {
        name: "sink",
        forbidden: &["plugin", "capability", "journal", "pipeline", "export", "hub", "cli", "simulator"],
    },
    Layer { name: "hub", forbidden: &["cli", "simulator"] },
];

/// What a pure module must not contain: it is told the time, and whoever calls it reads and writes.
const IMPURE: [&str; 9] = [
    "async ",
    ".await",
    "tokio::",
    "SystemTime",
    "Instant::now",
    "Timestamp::now",
    "std::fs",
    "std::net",
    "std::thread",
];

/// Faults of one file of the host; other files have none.
pub fn check(path: &str, text: &str) -> Vec<Fault> {
    let Some(inside) = path.strip_prefix("host/src/").and_then(|inside| inside.strip_suffix(".rs")) else {
        return Vec::new();
    };
    // A file of tests may stand where it likes, as tests below the code may.
    if inside.ends_with("_tests") || inside.ends_with("/tests") || inside.contains("/tests/") {
        return Vec::new();
    }
    let module: Vec<&str> = inside.split('/').filter(|part| *part != "mod").collect();
    let Some(layer) = LAYERS.iter().find(|layer| module.first() == Some(&layer.name)) else {
        return Vec::new();
    };
    let code = without_tests_and_comments(text);
    let mut faults = Vec::new();
    for (line, used) in used_modules(&code, module.len()) {
        if layer.forbidden.contains(&used.as_str()) {
            let rule = format!("`{}` must not know `{used}`; hub.rs joins the stages", layer.name);
            faults.push(Fault::new(path, line, rule));
        }
    }
    if layer.name == "pipeline" {
        faults.extend(impure(path, &code));
    }
    faults
}

fn impure(path: &str, code: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (index, line) in code.lines().enumerate() {
        for word in IMPURE.iter().filter(|word| line.contains(**word)) {
            let rule =
                format!("`{}` in the pipeline, which has no I/O and no clock: take it as an argument", word.trim());
            faults.push(Fault::new(path, index + 1, rule));
        }
    }
    faults
}

/// The same lines, with comments and everything from the test module on left empty.
fn without_tests_and_comments(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let is_test_module = |pair: &[&str]| matches!(pair, ["#[cfg(test)]", next] if next.starts_with("mod "));
    let end = lines.windows(2).position(is_test_module).unwrap_or(lines.len());
    let code = lines.iter().take(end).map(|line| line.find("//").and_then(|at| line.get(..at)).unwrap_or(line));
    code.collect::<Vec<_>>().join("\n")
}

/// First names after the crate's root, with their lines, whether written `crate::`, `super::` as often as the module is
/// deep, or in a group.
fn used_modules(code: &str, depth: usize) -> Vec<(usize, String)> {
    let to_root = "super::".repeat(depth);
    let mut used = Vec::new();
    for root in ["crate::", to_root.as_str()] {
        for (at, _) in code.match_indices(root) {
            let before = code.get(..at).unwrap_or_default();
            if before.ends_with(|character: char| character.is_alphanumeric() || character == '_' || character == ':') {
                continue;
            }
            let line = before.lines().count().max(1) + usize::from(before.ends_with('\n'));
            let rest = code.get(at + root.len()..).unwrap_or_default();
            used.extend(first_names(rest).into_iter().map(|(offset, name)| (line + offset, name)));
        }
    }
    used
}

/// The name at the start of the text, or those of the group that stands there, each with how many lines further down.
fn first_names(text: &str) -> Vec<(usize, String)> {
    let name = |text: &str| -> String {
        text.chars().take_while(|character| character.is_alphanumeric() || *character == '_').collect()
    };
    let Some(group) = text.strip_prefix('{') else {
        return vec![(0, name(text))];
    };
    let mut names = Vec::new();
    let (mut depth, mut line, mut at_start) = (0_usize, 0, true);
    for (at, character) in group.char_indices() {
        match character {
            '\n' => line += 1,
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => at_start = true,
            _ if at_start && !character.is_whitespace() => {
                names.push((line, name(group.get(at..).unwrap_or_default())));
                at_start = false;
            }
            _ => {}
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check(path, text).iter().map(|fault| fault.line).collect()
    }

    #[test]
    fn a_stage_that_names_another_is_refused_with_both_names() {
        let faults = check("host/src/sink/file/mod.rs", "use std::fs;\n\nuse crate::journal::Outbox;\n");
        let faults: Vec<_> = faults.iter().map(Fault::to_string).collect();
        assert_eq!(faults, ["host/src/sink/file/mod.rs:3: `sink` must not know `journal`; hub.rs joins the stages"]);
    }

    #[test]
    fn each_layer_is_held_to_its_direction() {
        let check = |module: &str, used: &str, allowed: bool| {
            let text = format!("use crate::{used}::Thing;\n");
            assert_eq!(lines(&format!("host/src/{module}/x.rs"), &text).is_empty(), allowed, "{module} uses {used}");
        };
        check("plugin", "capability", true);
        check("capability", "plugin", false);
        check("plugin", "sink", false);
        check("plugin", "journal", false);
        check("sink", "plugin", false);
        check("journal", "pipeline", false);
        check("pipeline", "journal", false);
        check("export", "journal", true);
        check("export", "sink", false);
        check("journal", "export", false);
        check("pipeline", "config", true);
        check("config", "hub", false);
        check("hub", "sink", true);
        check("hub", "cli", false);
        check("simulator", "sink", true);
        check("cli", "hub", true);
        check("a_module_of_tomorrow", "hub", true);
        assert_eq!(lines("host/src/reading.rs", "use crate::config::model::Name;\n"), [1]);
        assert_eq!(lines("plugins/sdk/src/lib.rs", "use crate::hub::X;\n"), Vec::<usize>::new());
    }

    #[test]
    fn groups_and_paths_in_the_code_are_seen() {
        let group = "use crate::{\n    reading::{Point, sink},\n    plugin::Engine,\n};\n";
        assert_eq!(lines("host/src/sink/x.rs", group), [3]);
        assert_eq!(lines("host/src/sink/x.rs", "fn f() {\n    crate::plugin::start();\n}\n"), [2]);
        assert_eq!(lines("host/src/sink/mod.rs", "use super::plugin::Engine;\n"), [1]);
        assert_eq!(lines("host/src/sink/file/write.rs", "use super::super::super::plugin::Engine;\n"), [1]);
        assert_eq!(lines("host/src/sink/file/write.rs", "use super::plugin::Engine;\n"), Vec::<usize>::new());
    }

    #[test]
    fn comments_and_tests_may_name_anything() {
        let text = "//! See [`crate::journal`].\n\n#[cfg(test)]\nmod tests {\n    use crate::journal::X;\n}\n";
        assert_eq!(lines("host/src/sink/x.rs", text), Vec::<usize>::new());
    }

    #[test]
    fn the_pipeline_has_no_io_and_no_clock() {
        for word in IMPURE {
            assert_eq!(lines("host/src/pipeline/average.rs", &format!("let x = 1;\nx {word} y;\n")), [2], "{word}");
        }
        assert_eq!(lines("host/src/sink/runner.rs", "tokio::spawn(f());\n"), Vec::<usize>::new());
    }
}
