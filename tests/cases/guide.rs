//! The guide for integrators, followed to the letter: its files are written, its commands run, and what it prints must come.
//!
//! A block of code under `<!-- file: NAME -->` is that file. In a block `console` a line that begins with `$ ` is a command for the shell, and the
//! lines under it must stand in what the command prints, in their order, where `…` is any text. A command that ends in `&` runs on until the
//! test ends.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::support::hub::{Hub, binary};
use crate::support::{ports, test_file};

/// Lines of its own that the driver of the guide may have.
const LINES: usize = 80;

enum Piece {
    File(PathBuf, String),
    Commands(Vec<(String, Vec<String>)>),
}

/// What the guide says to do, in its order.
fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut lines = text.lines();
    let mut file = None;
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix("<!-- file: ").and_then(|rest| rest.strip_suffix(" -->")) {
            file = Some(PathBuf::from(name));
        } else if let Some(language) = line.strip_prefix("```") {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            match (file.take(), language) {
                (Some(name), _) => pieces.push(Piece::File(name, block.join("\n") + "\n")),
                (None, "console") => pieces.push(Piece::Commands(commands(&block))),
                (None, _) => {}
            }
        }
    }
    pieces
}

fn commands(block: &[&str]) -> Vec<(String, Vec<String>)> {
    let mut commands: Vec<(String, Vec<String>)> = Vec::new();
    for line in block {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push((command.to_owned(), Vec::new())),
            (None, Some((_, expected))) => expected.push((*line).to_owned()),
            (None, None) => panic!("{line:?} belongs to no command"),
        }
    }
    commands
}

/// Whether a line is as the pattern says.
fn is_like(line: &str, pattern: &str) -> bool {
    let parts: Vec<&str> = pattern.split('…').collect();
    let [first, middle @ .., last] = parts.as_slice() else { return line == pattern };
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    for part in middle {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

/// Whether the patterns stand in the text in their order; the first that does not.
fn missing<'a>(text: &str, patterns: &'a [String]) -> Option<&'a str> {
    let mut lines = text.lines().map(str::trim_end);
    patterns
        .iter()
        .map(|pattern| pattern.trim_end())
        .find(|pattern| !lines.any(|line| is_like(line.trim_start(), pattern.trim_start())))
}

fn shell(folder: &Path, command: &str) -> Command {
    let mut shell = Command::new("bash");
    let programs = binary().parent().unwrap().to_owned();
    let path =
        std::env::join_paths([programs].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())))
            .unwrap();
    shell.args(["-c", command]).current_dir(folder).env("PATH", path).stdin(Stdio::null());
    shell
}

/// Starts a command of `tutin` that runs on, and waits until it has printed what is expected.
fn begin(folder: &Path, command: &str, expected: &[String]) -> Hub {
    let words: Vec<&str> = command.trim_end_matches('&').split_whitespace().collect();
    let ["tutin", arguments @ ..] = words.as_slice() else { panic!("{command}: only tutin runs on") };
    let running = Hub::start(&binary(), arguments, folder);
    for pattern in expected {
        running.wait_for(pattern, |line| is_like(line.trim(), pattern.trim()));
    }
    running
}

#[test]
fn the_guide_leads_from_nothing_to_a_signed_driver() {
    let guide = fs::read_to_string(test_file("../docs/integrators/guide.md")).unwrap();
    let guide = guide.replace("127.0.0.1:9880", &format!("127.0.0.1:{}", ports::free()));
    // In the checkout, where the SDK and the compiled standard library are found.
    let target = binary().parent().unwrap().parent().unwrap().to_owned();
    let folder = tempfile::Builder::new().prefix("guide-").tempdir_in(target).unwrap();
    let mut running = Vec::new();
    let mut said = String::new();
    for piece in pieces(&guide) {
        match piece {
            Piece::File(name, text) => {
                if name.ends_with("src/lib.rs") {
                    assert!(text.lines().count() <= LINES, "the guide's driver has {} lines", text.lines().count());
                }
                fs::write(folder.path().join(name), text).unwrap();
            }
            Piece::Commands(commands) => {
                for (command, expected) in commands {
                    let begin_at = Instant::now();
                    if command.ends_with('&') {
                        running.push(begin(folder.path(), &command, &expected));
                        continue;
                    }
                    let output = shell(folder.path(), &command).output().unwrap();
                    let text =
                        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
                    said += &format!("$ {command}    ({:.1} s)\n{text}", begin_at.elapsed().as_secs_f64());
                    let is_meant_to_fail = expected.iter().any(|line| line.contains("1 failed"));
                    assert_eq!(output.status.success(), !is_meant_to_fail, "{said}");
                    if let Some(line) = missing_in_any_order(&output.stdout, &output.stderr, &expected) {
                        panic!("{command} did not print {line:?}:\n{said}");
                    }
                }
            }
        }
    }
    println!("{said}");
}

/// What is missing of both outputs; each keeps its own order.
fn missing_in_any_order(stdout: &[u8], stderr: &[u8], expected: &[String]) -> Option<String> {
    let texts = [stdout, stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let of = |text: &str| -> Vec<String> {
        expected
            .iter()
            .filter(|pattern| text.lines().any(|line| is_like(line.trim(), pattern.trim())))
            .cloned()
            .collect()
    };
    let (first, second) = (of(&texts[0]), of(&texts[1]));
    let found = |pattern: &&String| first.contains(pattern) || second.contains(pattern);
    if let Some(line) = expected.iter().find(|pattern| !found(pattern)) {
        return Some(line.clone());
    }
    missing(&texts[0], &first).or_else(|| missing(&texts[1], &second)).map(str::to_owned)
}

#[test]
fn any_text_may_stand_for_dots_and_nothing_else() {
    for (line, pattern, expected) in [
        ("first  0.52 s  passed", "first  … s  passed", true),
        ("first  0.52 s  FAILED", "first  … s  passed", false),
        ("made /somewhere/ozone-meter", "made …ozone-meter", true),
        ("made /somewhere/ozone-meter/", "made …ozone-meter", false),
        ("1 case, 0 failed", "1 case, 0 failed", true),
        ("11 cases, 0 failed", "1 cases, 0 failed", false),
        ("in 3 s", "in …", true),
    ] {
        assert_eq!(is_like(line, pattern), expected, "{line:?} and {pattern:?}");
    }
}
