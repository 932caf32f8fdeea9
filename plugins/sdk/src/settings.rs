//! Settings and arguments from JSON into types, with errors that name the member.

use serde::de::DeserializeOwned;

use crate::driver::Point;
use crate::failure::Failure;

/// The arguments of a command; no text at all counts as an empty object. Wrong ones are `unsupported`, not wrong settings:
/// a mistyped command must not park the device.
pub fn arguments<T: DeserializeOwned>(json: &str) -> Result<T, Failure> {
    read("arguments", if json.is_empty() { "{}" } else { json }).map_err(Failure::unsupported)
}

/// A failure that names a member, for checks that the type cannot make: `wrong("points[3].bit", "must be 0 to 15")`.
pub fn wrong(member: &str, why: impl std::fmt::Display) -> Failure {
    Failure::settings(format!("settings.{member}: {why}"))
}

/// Checks a member that has a range, both ends included: "settings.qos: must be 0 to 2".
pub fn within(member: &str, value: u32, least: u32, most: u32) -> Result<(), Failure> {
    let why = format_args!("must be {least} to {most}");
    if (least..=most).contains(&value) { Ok(()) } else { Err(wrong(member, why)) }
}

/// Checks that the id of a point is what the contract allows.
pub fn check_id(member: &str, id: &str) -> Result<(), Failure> {
    let why = format_args!("{id:?} is no id: lower case letters, digits and _, starting with a letter, at most 64");
    if Point::is_id(id) { Ok(()) } else { Err(wrong(member, why)) }
}

/// The candidate that was most likely meant, when there is one close enough.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(similarity, _)| *similarity > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// The settings of a device.
pub(crate) fn parse<T: DeserializeOwned>(json: &str) -> Result<T, Failure> {
    read("settings", json).map_err(Failure::settings)
}

fn read<T: DeserializeOwned>(root: &str, json: &str) -> Result<T, String> {
    let mut reader = serde_json::Deserializer::from_str(json);
    let parsed = serde_path_to_error::deserialize(&mut reader)
        .map_err(|err| (err.path().to_string(), err.into_inner()))
        .and_then(|value| reader.end().map(|()| value).map_err(|err| (".".to_owned(), err)));
    parsed.map_err(|(path, err)| {
        // "?" is how the path ends inside a member whose name was not complete.
        let member = match path.trim_end_matches('?').trim_end_matches('.') {
            "" => root.to_owned(),
            path => format!("{root}.{path}"),
        };
        format!("{member}: {}", explain(&err))
    })
}

/// The reader's words without its position, which counts in JSON that the administrator never saw, and with the
/// name that was meant.
fn explain(err: &serde_json::Error) -> String {
    let text = err.to_string();
    let position = format!(" at line {} column {}", err.line(), err.column());
    let text = text.strip_suffix(&position).unwrap_or(&text);
    match meant(text) {
        Some(name) => format!("{text}; did you mean `{name}`?"),
        None => text.to_owned(),
    }
}

/// serde says "unknown field `x`, expected one of `a`, `b`".
fn meant(text: &str) -> Option<&str> {
    let (unknown, expected) = text.strip_prefix("unknown ")?.split_once(", expected ")?;
    let name = unknown.split('`').nth(1)?;
    nearest(name, expected.split('`').skip(1).step_by(2))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "read by no one but the parser")]
    struct Settings {
        points: Vec<Entry>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "read by no one but the parser")]
    struct Entry {
        address: u16,
        word_order: Option<crate::words::WordOrder>,
    }

    fn check(json: &str, expected: &str) {
        let failure = parse::<Settings>(json).unwrap_err();
        assert_eq!(failure.to_string(), expected);
    }

    #[test]
    fn an_error_names_the_member_and_what_was_meant() {
        check(
            r#"{"points": [{"address": 1}, {"address": 1, "word_ordr": "high_first"}]}"#,
            "settings.points[1].word_ordr: unknown field `word_ordr`, expected `address` or `word_order`; did you mean `word_order`?",
        );
        check(
            r#"{"points": [{"address": 70000}]}"#,
            "settings.points[0].address: invalid value: integer `70000`, expected u16",
        );
        check(r#"{"points": [{}]}"#, "settings.points[0]: missing field `address`");
        check("{", "settings: EOF while parsing an object");
        check(r#"{"points": []} x"#, "settings: trailing characters");
    }

    #[test]
    fn wrong_arguments_do_not_count_as_wrong_settings() {
        let failure = arguments::<Entry>(r#"{"adress": 1}"#).unwrap_err();

        let text =
            "arguments.adress: unknown field `adress`, expected `address` or `word_order`; did you mean `address`?";
        assert_eq!(failure, Failure::unsupported(text));
        assert!(arguments::<Vec<u8>>("").is_err() && arguments::<std::collections::BTreeMap<u8, u8>>("").is_ok());
    }

    #[test]
    fn a_range_has_both_its_ends() {
        assert!([0, 2].into_iter().all(|qos| within("qos", qos, 0, 2).is_ok()));
        assert_eq!(within("qos", 3, 0, 2), Err(Failure::settings("settings.qos: must be 0 to 2")));
    }

    #[test]
    fn an_id_that_is_none_is_named() {
        let text = "settings.points[0].id: \"X\" is no id: lower case letters, digits and _, starting with a letter, at most 64";
        assert_eq!(check_id("points[0].id", "X"), Err(Failure::settings(text)));
        assert_eq!(check_id("points[0].id", "x"), Ok(()));
    }

    #[test]
    fn a_name_like_none_is_not_guessed() {
        assert_eq!(nearest("temperature", ["no2", "o2"]), None);
        assert_eq!(nearest("invalid_con", ["invalid_conc", "in_zero_cal"]), Some("invalid_conc"));
    }
}
