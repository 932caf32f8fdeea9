//! Topics with placeholders, and texts made of what the placeholders met.
//!
//! A pattern is a topic filter in which `{name}` stands for one level whose text is kept: `plant/{device}/telemetry`. `+` is one level
//! and `#` at the end all that follow, as in a filter. A placeholder does not match a level that begins with `$`: those are attributes
//! of the sender (Homie), not values.

use std::collections::BTreeMap;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the placeholders met, by name.
pub type Captures = BTreeMap<String, String>;

/// A topic with placeholders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct TopicPattern {
    text: String,
    levels: Vec<Level>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Level {
    Exactly(String),
    Kept(String),
    Any,
    Rest,
}

/// A text with placeholders: `{device}_{key}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Template {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Placeholder(String),
}

/// True for the name of a placeholder.
pub fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

impl TopicPattern {
    /// What the placeholders met, when the topic is one of these.
    pub fn captures(&self, topic: &str) -> Option<Captures> {
        let mut captures = Captures::new();
        let mut levels = topic.split('/');
        for level in &self.levels {
            match level {
                Level::Rest => return Some(captures),
                _ => {
                    let text = levels.next()?;
                    match level {
                        Level::Exactly(expected) if expected != text => return None,
                        Level::Kept(_) if text.starts_with('$') => return None,
                        Level::Kept(name) => {
                            captures.insert(name.clone(), text.to_owned());
                        }
                        _ => {}
                    }
                }
            }
        }
        levels.next().is_none().then_some(captures)
    }

    /// Names of the placeholders that it fills.
    pub fn placeholders(&self) -> impl Iterator<Item = &str> {
        self.levels.iter().filter_map(|level| match level {
            Level::Kept(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// As a filter for the broker.
    pub fn filter(&self) -> String {
        let levels: Vec<&str> = self.levels.iter().map(Level::filter).collect();
        levels.join("/")
    }
}

impl Level {
    fn filter(&self) -> &str {
        match self {
            Level::Exactly(text) => text,
            Level::Kept(_) | Level::Any => "+",
            Level::Rest => "#",
        }
    }
}

impl FromStr for TopicPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| Err(format!("{text:?} is no topic: {why}"));
        let mut levels = Vec::new();
        let count = text.split('/').count();
        for (at, level) in text.split('/').enumerate() {
            let kept = level.strip_prefix('{').and_then(|level| level.strip_suffix('}'));
            levels.push(match (level, kept) {
                ("+", _) => Level::Any,
                ("#", _) if at + 1 == count => Level::Rest,
                ("#", _) => return wrong("# may only be the last level"),
                (_, Some(name)) if is_name(name) => Level::Kept(name.to_owned()),
                (level, _) if level.contains(['{', '}', '+', '#']) => {
                    return wrong("+, # and {lower_case} must be a whole level");
                }
                (level, _) => Level::Exactly(level.to_owned()),
            });
        }
        if text.is_empty() {
            return wrong("it is empty");
        }
        Ok(TopicPattern { text: text.to_owned(), levels })
    }
}

impl Template {
    /// The text with what was met, or nothing when a placeholder was not.
    pub fn render(&self, captures: &Captures) -> Option<String> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Placeholder(name) => text.push_str(captures.get(name)?),
            }
        }
        Some(text)
    }

    /// Names of its placeholders.
    pub fn placeholders(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Placeholder(name) => Some(name.as_str()),
            Part::Literal(_) => None,
        })
    }
}

impl FromStr for Template {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((literal, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or_else(|| format!("{text:?}: a {{ has no }}"))?;
            if !is_name(name) {
                return Err(format!("{text:?}: {{{name}}} is no placeholder: lower case letters, digits, _"));
            }
            parts.push(Part::Literal(literal.to_owned()));
            parts.push(Part::Placeholder(name.to_owned()));
            rest = after;
        }
        parts.push(Part::Literal(rest.to_owned()));
        if text.is_empty() {
            return Err("it is empty".into());
        }
        Ok(Template { text: text.to_owned(), parts })
    }
}

impl TryFrom<String> for TopicPattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<TopicPattern> for String {
    fn from(pattern: TopicPattern) -> Self {
        pattern.text
    }
}

impl TryFrom<String> for Template {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Template> for String {
    fn from(template: Template) -> Self {
        template.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_keeps_the_levels_that_it_names() {
        let check = |pattern: &str, topic: &str, expected: Option<&[(&str, &str)]>| {
            let captures = pattern.parse::<TopicPattern>().unwrap().captures(topic);
            let expected = expected
                .map(|pairs| pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect());
            assert_eq!(captures, expected, "{pattern} {topic}");
        };
        check("plant/{device}/t", "plant/a/t", Some(&[("device", "a")]));
        check("plant/{device}/t", "plant/a/b/t", None);
        check("plant/{device}/t", "plant/a", None);
        check("plant/{device}", "plant/a/t", None);
        check("/neuron/#", "/neuron/app/x", Some(&[]));
        check("+/{x}", "a/b", Some(&[("x", "b")]));
        check("homie/{device}/{node}", "homie/a/$state", None);
        check("homie/{device}/$state", "homie/a/$state", Some(&[("device", "a")]));
        assert_eq!("a/{b}/+/#".parse::<TopicPattern>().unwrap().filter(), "a/+/+/#");
    }

    #[test]
    fn what_is_no_topic_or_template_is_refused() {
        for text in ["", "a/#/b", "a/x{b}", "a/{B}", "a/b+"] {
            assert!(text.parse::<TopicPattern>().is_err(), "{text}");
        }
        for text in ["", "{a", "{A}"] {
            assert!(text.parse::<Template>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_text_is_made_only_when_all_its_placeholders_were_met() {
        let template: Template = "{device}_x_{key}".parse().unwrap();
        let mut captures = Captures::from([("device".to_owned(), "a".to_owned())]);
        assert_eq!(template.render(&captures), None);
        captures.insert("key".into(), "no2".into());
        assert_eq!(template.render(&captures).as_deref(), Some("a_x_no2"));
    }
}
