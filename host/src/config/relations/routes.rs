//! What routes select and where they lead.

use std::collections::BTreeSet;

use crate::config::mistake::{Mistake, nearest};
use crate::config::model::{Mqtt, Pattern, Route, Select, Shape, SinkKind};
use crate::config::path::{path_text, quoted};
use crate::config::places::Places;
use crate::config::problem::Problem;
use crate::config::read::Draft;
use crate::config::relations::problem_at;

pub(super) fn check(draft: &Draft, places: &Places, problems: &mut Vec<Problem>) {
    let mut told = Vec::new();
    for (name, route) in &draft.routes {
        selection(name, route, draft, places, problems);
        topics(name, route, draft, places, &mut told, problems);
    }
    unreached(draft, places, problems);
}

fn selection(name: &str, route: &Route, draft: &Draft, places: &Places, problems: &mut Vec<Problem>) {
    let before = problems.len();
    let mut one_by_one = |key: &str, patterns: &[Pattern], what, known: &BTreeSet<&str>| {
        for pattern in patterns.iter().filter(|pattern| !known.iter().any(|name| pattern.matches(name))) {
            let mistake = Mistake::PatternMatchesNothing {
                pattern: pattern.0.clone(),
                what,
                nearest: nearest(&pattern.0, known.iter().copied()).map(quoted),
                known: known.iter().copied().map(quoted).collect(),
            };
            problems.push(problem_at(places, &["routes", name, key], &mistake));
        }
    };
    match &route.select {
        Select::Readings { devices, .. } => {
            one_by_one("devices", devices, "device", &places.members("devices").into_iter().collect());
        }
        Select::Alarms { sources, parameters, .. } => {
            let known: BTreeSet<&str> = places.members("sources").into_iter().collect();
            let all_parameters: BTreeSet<&str> =
                known.iter().flat_map(|source| parameters_of(places, source)).collect();
            one_by_one("sources", sources, "source", &known);
            one_by_one("parameters", parameters, "parameter of any source", &all_parameters);
        }
        Select::Averages { sources, parameters, rule_sets } => {
            let known: BTreeSet<&str> = places.members("sources").into_iter().collect();
            let all_parameters: BTreeSet<&str> =
                known.iter().flat_map(|source| parameters_of(places, source)).collect();
            one_by_one("sources", sources, "source", &known);
            one_by_one("parameters", parameters, "parameter of any source", &all_parameters);
            one_by_one("rule_sets", rule_sets, "rule set", &places.members("rule_sets").into_iter().collect());
            if problems.len() == before
                && let Some(mistake) = nothing_together(sources, parameters, rule_sets, draft, places)
            {
                problems.push(problem_at(places, &["routes", name], &mistake));
            }
        }
    }
}

/// Each list may match something and all of them together nothing.
fn nothing_together(
    sources: &[Pattern],
    parameters: &[Pattern],
    rule_sets: &[Pattern],
    draft: &Draft,
    places: &Places,
) -> Option<Mistake> {
    let fits = |patterns: &[Pattern], name: &str| patterns.iter().any(|pattern| pattern.matches(name));
    let chosen: Vec<&str> = places.members("sources").into_iter().filter(|source| fits(sources, source)).collect();
    // What a source with a mistake in it averages is not known: it may match.
    let averages = |source: &str| {
        draft.sources.get(source).is_none_or(|source| source.rule_sets.iter().any(|name| fits(rule_sets, name)))
    };
    let measures = |source: &str| parameters_of(places, source).any(|parameter| fits(parameters, parameter));
    if chosen.iter().any(|source| averages(source) && measures(source)) {
        return None;
    }
    let what = if chosen.iter().any(|source| measures(source)) { "rule sets" } else { "parameters" };
    let sources = chosen.iter().copied().map(quoted).collect::<Vec<_>>().join(", ");
    Some(Mistake::RouteMatchesNothing { sources, what })
}

fn parameters_of<'p>(places: &'p Places, source: &str) -> impl Iterator<Item = &'p str> {
    let path = path_text(&["sources".to_owned(), source.to_owned(), "parameters".to_owned()]);
    places.members(&path).into_iter()
}

/// A topic must not name what the records of a route do not have. One route is told of, however many are alike.
fn topics(
    name: &str,
    route: &Route,
    draft: &Draft,
    places: &Places,
    told: &mut Vec<(String, &'static str, String)>,
    problems: &mut Vec<Problem>,
) {
    for sink in &route.to {
        let Some(SinkKind::Mqtt(mqtt)) = draft.sinks.get(sink).map(|sink| &sink.kind) else { continue };
        let (content, known) = placeholders(&route.select, mqtt);
        for placeholder in mqtt.topic.iter().flat_map(|topic| names_in(topic)) {
            let told_now = (sink.clone(), content, placeholder.to_owned());
            if known.contains(&placeholder) || told.contains(&told_now) {
                continue;
            }
            let mistake = Mistake::PlaceholderWithoutValue {
                placeholder: placeholder.to_owned(),
                content,
                route: name.to_owned(),
                known: known.iter().map(|known| format!("{{{known}}}")).collect(),
            };
            told.push(told_now);
            problems.push(problem_at(places, &["sinks", sink, "topic"], &mistake));
        }
    }
}

fn placeholders(select: &Select, mqtt: &Mqtt) -> (&'static str, &'static [&'static str]) {
    match (select, mqtt.shape) {
        (Select::Averages { .. }, _) => ("averages", &["hub", "source", "parameter", "rule_set"]),
        (Select::Alarms { .. }, _) => ("alarms", &["hub", "source", "parameter"]),
        (Select::Readings { .. }, Shape::Reading) => ("readings", &["hub", "device", "point"]),
        (Select::Readings { .. }, Shape::Poll) => ("whole polls", &["hub", "device"]),
    }
}

fn names_in(topic: &str) -> impl Iterator<Item = &str> {
    topic.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
}

/// Sinks that no route leads to, and sources whose averages no route takes.
fn unreached(draft: &Draft, places: &Places, problems: &mut Vec<Problem>) {
    // A route with a mistake in it may lead anywhere.
    if draft.routes.len() < places.members("routes").len() {
        return;
    }
    for (name, _) in draft.sinks.iter().filter(|(name, _)| !draft.routes.values().any(|route| route.to.contains(name)))
    {
        problems.push(problem_at(places, &["sinks", name], &Mistake::Unused { by: "route" }));
    }
    let taken = |name: &str| {
        draft.routes.values().any(|route| match &route.select {
            Select::Averages { sources, .. } => sources.iter().any(|pattern| pattern.matches(name)),
            Select::Alarms { .. } | Select::Readings { .. } => false,
        })
    };
    let measuring = draft.sources.iter().filter(|(_, source)| !source.parameters.is_empty());
    for (name, _) in measuring.filter(|(name, _)| !taken(name)) {
        problems.push(problem_at(places, &["sources", name], &Mistake::Unrouted));
    }
}
