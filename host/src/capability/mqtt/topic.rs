//! Topics and topic filters: which are valid, which match, which lies within another.
//!
//! Source: "MQTT Version 5.0" (OASIS, 2019), 4.7; 3.1.1 says the same in its 4.7.

use std::collections::BTreeMap;

/// Most bytes of a topic or filter (1.5.4).
const LONGEST: usize = 65_535;

/// What is wrong with a topic filter, if anything.
pub(super) fn check_filter(filter: &str) -> Result<(), String> {
    check_text(filter)?;
    if filter.split('/').next() == Some("$share") {
        return Err("shared subscriptions are not offered".into());
    }
    let levels = filter.split('/').count();
    for (index, level) in filter.split('/').enumerate() {
        if level.contains('#') && (level != "#" || index + 1 != levels) {
            return Err("# stands alone, at the end, for all further levels".into());
        }
        if level.contains('+') && level != "+" {
            return Err("+ stands alone for one level".into());
        }
    }
    Ok(())
}

/// What is wrong with the topic of a message, if anything.
pub(super) fn check_topic(topic: &str) -> Result<(), String> {
    check_text(topic)?;
    if topic.contains(['+', '#']) { Err("a topic has no wildcards".into()) } else { Ok(()) }
}

fn check_text(text: &str) -> Result<(), String> {
    match text {
        "" => Err("it is empty".into()),
        text if text.len() > LONGEST => Err(format!("it is longer than {LONGEST} bytes")),
        text if text.contains('\0') => Err("it contains the character U+0000".into()),
        _ => Ok(()),
    }
}

/// Whether a message of this topic is one of this filter.
pub fn matches(filter: &str, topic: &str) -> bool {
    lies_within(topic, filter)
}

/// Whether every topic that `inner` matches is one that `outer` matches. A topic is a filter that matches itself.
pub(super) fn lies_within(inner: &str, outer: &str) -> bool {
    // A wildcard in front does not match topics of the broker's own (4.7.2).
    if inner.starts_with('$') && outer.starts_with(['+', '#']) {
        return false;
    }
    let mut inner = inner.split('/');
    for outer in outer.split('/') {
        match (inner.next(), outer) {
            // It stands for the level before it, too: `a/#` matches `a`.
            (_, "#") => return true,
            (None | Some("#"), _) => return false,
            (Some(_), "+") => {}
            (Some(inner), outer) if inner == outer => {}
            (Some(_), _) => return false,
        }
    }
    inner.next().is_none()
}

/// The filters without those that lie within another, each with the highest quality of service that is wanted of it: a broker may
/// send a message once for each subscription that it matches.
pub(super) fn cover(filters: &[(String, u8)]) -> BTreeMap<String, u8> {
    let mut highest: BTreeMap<&str, u8> = BTreeMap::new();
    for (filter, qos) in filters {
        let entry = highest.entry(filter).or_default();
        *entry = (*entry).max(*qos);
    }
    // Only a filter with wildcards has others within it.
    let wide: Vec<&str> = highest.keys().copied().filter(|filter| filter.contains(['+', '#'])).collect();
    let is_outermost = |filter: &str| !wide.iter().any(|other| *other != filter && lies_within(filter, other));
    let qos_within = |outer: &str| {
        if !outer.contains(['+', '#']) {
            return highest.get(outer).copied().unwrap_or_default();
        }
        let within = highest.iter().filter(|(filter, _)| lies_within(filter, outer));
        within.map(|(_, qos)| *qos).max().unwrap_or_default()
    };
    let outermost = highest.keys().filter(|filter| is_outermost(filter));
    outermost.map(|filter| ((*filter).to_owned(), qos_within(filter))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_lies_within_another_only_when_all_its_topics_do() {
        let check = |inner, outer, expected| assert_eq!(lies_within(inner, outer), expected, "{inner} in {outer}");
        check("a/b", "a/b", true);
        check("a/b", "a/c", false);
        check("a/b", "a", false);
        check("a", "a/b", false);
        check("a/b", "a/+", true);
        check("a/b/c", "a/+", false);
        check("a", "a/+", false);
        check("a/", "a/+", true);
        check("a/b", "+/b", true);
        check("/b", "+/b", true);
        check("a/+", "a/+", true);
        check("a/+", "a/b", false);
        check("+/b", "a/b", false);
        check("a/+/c", "a/+/+", true);
        check("a", "a/#", true);
        check("a/b/c", "a/#", true);
        check("ab", "a/#", false);
        check("a/#", "a/#", true);
        check("a/+/c", "a/#", true);
        check("a/#", "a/+", false);
        check("a/#", "a/b/#", false);
        check("a/b/#", "a/#", true);
        check("a/b/#", "a/+/#", true);
        check("#", "#", true);
        check("#", "a/#", false);
        check("#", "+", false);
        check("a/b", "#", true);
        check("$SYS/load", "#", false);
        check("$SYS/load", "+/load", false);
        check("$SYS/load", "$SYS/#", true);
        check("$SYS/load", "$SYS/+", true);
        check("$SYS/#", "#", false);
        check("a/$b", "a/+", true);
        check("#", "$SYS/#", false);
    }

    #[test]
    fn what_is_no_filter_or_topic_is_said_to_be_none() {
        let filter = |text: &str, expected: bool| assert_eq!(check_filter(text).is_ok(), expected, "{text:?}");
        for good in ["a", "a/b", "/", "+", "#", "+/+/#", "$SYS/#", "a//b", "a b/é"] {
            filter(good, true);
        }
        for bad in ["", "a/#/b", "a#", "#/", "a+/b", "++", "a/b#", "a\0", "$share/g/a"] {
            filter(bad, false);
        }
        filter(&"a".repeat(65_535), true);
        filter(&"a".repeat(65_536), false);
        assert!(check_topic("a/b").is_ok());
        assert!(check_topic("a/+").is_err() && check_topic("a/#").is_err() && check_topic("").is_err());
    }

    #[test]
    fn overlapping_subscriptions_become_one_with_the_highest_quality() {
        let wanted =
            [("a/#", 0), ("a/b", 2), ("c", 1), ("c", 0), ("a/+/d", 1)].map(|(filter, qos)| (filter.into(), qos));
        let expected = BTreeMap::from([("a/#".to_owned(), 2), ("c".to_owned(), 1)]);
        assert_eq!(cover(&wanted), expected);
    }
}
