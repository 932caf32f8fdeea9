//! Where something stands in a JSON document.
//!
//! ```text
//! $                    the document itself
//! values.no2           members
//! tags[0].value        an element, counted from 0
//! tags[*].value        every element
//! values.*             every member
//! values.{key}         every member, its name kept as the placeholder {key}
//! values["a.b"]        a member whose name has a dot or a bracket
//! ```
//!
//! A path that leads nowhere selects nothing; it is never an error.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::topic::{Captures, is_name};

/// Most places that one path selects, so that a hostile document cannot fill the memory.
const MOST_SELECTED: usize = 10_000;

/// A path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Path {
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Member(String),
    EveryMember(Option<String>),
    Element(usize),
    EveryElement,
}

impl Path {
    /// The document itself.
    pub fn root() -> Self {
        Path { steps: Vec::new() }
    }

    /// True when it leads to one place at most.
    pub fn is_single(&self) -> bool {
        self.steps.iter().all(|step| matches!(step, Step::Member(_) | Step::Element(_)))
    }

    /// Names of the placeholders that it fills.
    pub fn placeholders(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().filter_map(|step| match step {
            Step::EveryMember(Some(name)) => Some(name.as_str()),
            _ => None,
        })
    }

    /// Every place that it leads to, in the order of the document, with the names that it met.
    pub fn select<'a>(&self, document: &'a Value, captures: &Captures) -> Vec<(&'a Value, Captures)> {
        let mut places = vec![(document, captures.clone())];
        for step in &self.steps {
            let mut next = Vec::new();
            for (place, captures) in places {
                step.follow(place, captures, &mut next);
                next.truncate(MOST_SELECTED);
            }
            places = next;
        }
        places
    }

    /// The first place that it leads to.
    pub fn first<'a>(&self, document: &'a Value) -> Option<&'a Value> {
        self.select(document, &Captures::new()).first().map(|(place, _)| *place)
    }
}

impl Step {
    fn follow<'a>(&self, place: &'a Value, captures: Captures, next: &mut Vec<(&'a Value, Captures)>) {
        match (self, place) {
            (Step::Member(name), Value::Object(members)) => {
                next.extend(members.get(name).map(|member| (member, captures)));
            }
            (Step::EveryMember(placeholder), Value::Object(members)) => {
                for (name, member) in members.iter().take(MOST_SELECTED) {
                    let mut captures = captures.clone();
                    if let Some(placeholder) = placeholder {
                        captures.insert(placeholder.clone(), name.clone());
                    }
                    next.push((member, captures));
                }
            }
            (Step::Element(at), Value::Array(elements)) => {
                next.extend(elements.get(*at).map(|element| (element, captures)));
            }
            (Step::EveryElement, Value::Array(elements)) => {
                next.extend(elements.iter().take(MOST_SELECTED).map(|element| (element, captures.clone())));
            }
            _ => {}
        }
    }
}

impl FromStr for Path {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("{text:?} is no path: {why}");
        let mut steps = Vec::new();
        let mut rest = text.strip_prefix('$').unwrap_or(text);
        if text.is_empty() {
            return Err(wrong("write $ for the document itself"));
        }
        if text.starts_with('$') {
            rest = rest.strip_prefix('.').unwrap_or(rest);
        }
        while !rest.is_empty() {
            let (step, after) = match rest.strip_prefix('[') {
                Some(inside) => bracket(inside).map_err(|why| wrong(&why))?,
                None => {
                    let (name, after) = rest.split_at(rest.find(['.', '[']).unwrap_or(rest.len()));
                    (member(name).map_err(|why| wrong(&why))?, after)
                }
            };
            steps.push(step);
            rest = match after.strip_prefix('.') {
                Some("") => return Err(wrong("it ends with a dot")),
                Some(after) => after,
                None if after.is_empty() || after.starts_with('[') => after,
                None => return Err(wrong("expected . or [ after ]")),
            };
        }
        Ok(Path { steps })
    }
}

fn member(name: &str) -> Result<Step, String> {
    if name.is_empty() {
        return Err("a member has no name".into());
    }
    if name == "*" {
        return Ok(Step::EveryMember(None));
    }
    match name.strip_prefix('{').map(|name| name.strip_suffix('}')) {
        None => Ok(Step::Member(name.to_owned())),
        Some(Some(name)) if is_name(name) => Ok(Step::EveryMember(Some(name.to_owned()))),
        Some(_) => Err("a placeholder is { lower case letters, digits, _ }".into()),
    }
}

/// What stands in brackets, and what comes after them.
fn bracket(inside: &str) -> Result<(Step, &str), String> {
    if let Some(quoted) = inside.strip_prefix('"') {
        let (name, after) = quoted.split_once("\"]").ok_or("a quoted member has no \"] at its end")?;
        return Ok((Step::Member(name.to_owned()), after));
    }
    let (index, after) = inside.split_once(']').ok_or("a [ has no ]")?;
    if index == "*" {
        return Ok((Step::EveryElement, after));
    }
    let index =
        index.parse().map_err(|_| format!("[{index}] is no element: expected a number from 0 on, * or \"…\""))?;
    Ok((Step::Element(index), after))
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("$")?;
        for step in &self.steps {
            match step {
                Step::Member(name) if name.contains(['.', '[']) => write!(f, "[\"{name}\"]")?,
                Step::Member(name) => write!(f, ".{name}")?,
                Step::EveryMember(None) => f.write_str(".*")?,
                Step::EveryMember(Some(name)) => write!(f, ".{{{name}}}")?,
                Step::Element(at) => write!(f, "[{at}]")?,
                Step::EveryElement => f.write_str("[*]")?,
            }
        }
        Ok(())
    }
}

impl TryFrom<String> for Path {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Path> for String {
    fn from(path: Path) -> Self {
        path.to_string()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_leads_to_members_elements_and_every_one_of_them() {
        let document = json!({"a": {"b": 1, "c.d": 2}, "list": [{"v": 3}, {"v": 4}, {}]});
        let check = |path: &str, expected: Value| {
            let path: Path = path.parse().unwrap();
            let found: Vec<&Value> =
                path.select(&document, &Captures::new()).into_iter().map(|(place, _)| place).collect();
            assert_eq!(json!(found), expected, "{path}");
        };
        check("a.b", json!([1]));
        check("$.a.b", json!([1]));
        check("a[\"c.d\"]", json!([2]));
        check("a.*", json!([1, 2]));
        check("list[1].v", json!([4]));
        check("list[*].v", json!([3, 4]));
        check("list[9].v", json!([]));
        check("a[0]", json!([]));
        check("a.b.c", json!([]));
        check("$", json!([document]));
    }

    #[test]
    fn names_met_on_the_way_are_kept() {
        let document = json!({"stack": {"no2": 1, "co": 2}});
        let path: Path = "{device}.{key}".parse().unwrap();
        let found = path.select(&document, &Captures::new());
        let names: Vec<String> =
            found.iter().map(|(_, names)| format!("{}/{}", names["device"], names["key"])).collect();
        assert_eq!(names, ["stack/no2", "stack/co"]);
        assert!(!path.is_single() && "a[0]".parse::<Path>().unwrap().is_single());
    }

    #[test]
    fn what_is_no_path_is_refused_with_the_reason() {
        let check = |path: &str, why: &str| {
            let refused = path.parse::<Path>().unwrap_err();
            assert!(refused.contains(why), "{path}: {refused}");
        };
        check("", "write $");
        check("a.", "ends with a dot");
        check("a..b", "has no name");
        check("a[x]", "is no element");
        check("a[1", "has no ]");
        check("a[0]b", "expected . or [");
        check("a[\"b", "at its end");
        check("a.{Key}", "placeholder");
    }

    #[test]
    fn a_document_cannot_make_a_path_select_without_bound() {
        let inner: Vec<Value> = (0..200).map(Value::from).collect();
        let document = Value::Array((0..200).map(|_| Value::Array(inner.clone())).collect());
        let path: Path = "[*][*]".parse().unwrap();
        assert_eq!(path.select(&document, &Captures::new()).len(), MOST_SELECTED);
    }
}
