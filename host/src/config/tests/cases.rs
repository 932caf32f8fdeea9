//! Each folder of `cases` is a configuration with mistakes and, in `expected.txt`, every line that is said about it.
//!
//! A folder may hold a second file, an `environment`, and `points.json` with what plugins would say. `BLESS=1` writes
//! the expected files anew; read the difference before committing it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::without;
use crate::config::cross_check::{self, Gas, Members, PluginFinding};
use crate::config::model::Config;
use crate::config::problem::{self, Problem, Severity};
use crate::config::report::{Style, render};
use crate::config::{Loaded, load};
use crate::reading::Point;

#[test]
fn every_mistake_is_told_once_at_its_place_with_what_was_expected() {
    let mut told = 0;
    for folder in folders() {
        let lines = render(&problems_of(&folder), Style::Short);
        let lines = without(&folder, &without(&folder.join(".."), &lines));
        told += lines.lines().count();
        let expected = folder.join("expected.txt");
        if std::env::var_os("BLESS").is_some() {
            fs::write(&expected, &lines).unwrap();
        }
        let expected = fs::read_to_string(&expected).unwrap();
        assert_eq!(lines, expected, "case {}", folder.display());
    }
    assert!(told > 100, "the cases show {told} mistakes: were they found at all?");
}

#[test]
fn ten_different_mistakes_give_exactly_ten_diagnostics() {
    let problems = problems_of(&cases().join("ten-mistakes"));

    assert_eq!(problems.len(), 10, "{problems:#?}");
    for problem in &problems {
        assert_eq!(problem.severity, Severity::Error);
        let place = problem.place.as_ref().unwrap();
        assert!(place.line_column().is_some(), "{problem}");
    }
    let mut lines: Vec<_> = problems.iter().map(|problem| problem.place.as_ref().unwrap().line_column()).collect();
    lines.dedup();
    assert_eq!(lines.len(), 10, "two diagnostics stand at one place: {problems:#?}");
}

#[test]
fn warnings_alone_leave_the_configuration_usable() {
    let loaded = load_case(&cases().join("warnings"));

    assert!(loaded.config.is_some());
    assert!(loaded.problems.iter().all(|problem| problem.severity == Severity::Warning));
    assert!(!loaded.problems.is_empty());
}

fn cases() -> PathBuf {
    // Tests run in the package's folder; a relative path keeps machines' names out of the expected files.
    PathBuf::from("src/config/cases")
}

fn folders() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = fs::read_dir(cases()).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|path| path.is_dir());
    folders.sort();
    folders
}

fn load_case(folder: &Path) -> Loaded {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    let environment = fs::read_to_string(folder.join("environment")).unwrap_or_default();
    let variables = environment.lines().map(|line| line.split_once('=').unwrap());
    load(&files, variables.map(|(name, value)| (name.to_owned(), value.to_owned())))
}

fn problems_of(folder: &Path) -> Vec<Problem> {
    let mut loaded = load_case(folder);
    loaded.problems.extend(cross_check::missing_files(&loaded.files));
    if let (Some(config), Ok(points)) = (&loaded.config, fs::read_to_string(folder.join("points.json"))) {
        loaded.problems.extend(with_points(config, &loaded, &points));
    }
    problem::sort(&mut loaded.problems);
    loaded.problems
}

fn with_points(config: &Config, loaded: &Loaded, points: &str) -> Vec<Problem> {
    let points: BTreeMap<String, Vec<Point>> = serde_json::from_str(points).unwrap();
    let mut findings: Vec<PluginFinding> =
        points.into_iter().map(|(device, points)| PluginFinding::Points { device, points }).collect();
    findings.push(PluginFinding::Fault {
        path: "devices.t200.settings.model".into(),
        severity: Severity::Error,
        message: "unknown model \"T2000\"".into(),
        help: Some("did you mean \"T200\"?".into()),
    });
    let convertible = |from: &str, to: &str, gas: Gas<'_>| match (from, to) {
        ("[ppb]", "mg/m3") if matches!(gas.parameter, "NO" | "NO2") || gas.molar_mass.is_some() => Ok(()),
        _ => Err("they measure different things".to_owned()),
    };
    let members = Members { averages: &["mean", "start"], alarms: &["alarm"], readings: &["device", "value"] };
    let mut problems = cross_check::check(config, &loaded.places, &findings, &convertible);
    problems.extend(cross_check::check_members(config, &loaded.places, members));
    problems
}
