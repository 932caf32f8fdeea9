//! Which records a route carries.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::alarm::Change;
use crate::average::AverageKey;
use crate::config::model::{Name, Path, Pattern, Route, Select};
use crate::reading::DeviceCatalog;

/// All routes that carry averages.
#[derive(Debug, Clone, Default)]
pub struct AverageRoutes {
    routes: Vec<(Select, Vec<Name>)>,
}

impl AverageRoutes {
    /// Those of the routes that carry averages.
    pub fn new<'a>(routes: impl IntoIterator<Item = &'a Route>) -> Self {
        let averages = |route: &&Route| matches!(route.select, Select::Averages { .. });
        let routes =
            routes.into_iter().filter(averages).map(|route| (route.select.clone(), route.to.clone())).collect();
        AverageRoutes { routes }
    }

    /// The sinks that an average goes to, each once.
    pub fn sinks(&self, key: &AverageKey) -> BTreeSet<&str> {
        let fits = |select: &Select| match select {
            Select::Averages { sources, parameters, rule_sets } => {
                any(sources, &key.source) && any(parameters, &key.parameter) && any(rule_sets, &key.rule_set)
            }
            Select::Alarms { .. } | Select::Readings { .. } => false,
        };
        self.routes
            .iter()
            .filter(|(select, _)| fits(select))
            .flat_map(|(_, to)| to.iter().map(String::as_str))
            .collect()
    }
}

/// All routes that carry alarms.
#[derive(Debug, Clone, Default)]
pub struct AlarmRoutes {
    routes: Vec<(Select, Vec<Name>)>,
}

impl AlarmRoutes {
    /// Those of the routes that carry alarms.
    pub fn new<'a>(routes: impl IntoIterator<Item = &'a Route>) -> Self {
        let alarms = |route: &&Route| matches!(route.select, Select::Alarms { .. });
        let routes = routes.into_iter().filter(alarms).map(|route| (route.select.clone(), route.to.clone()));
        AlarmRoutes { routes: routes.collect() }
    }

    /// The sinks that a change of an alarm goes to, each once.
    pub fn sinks(&self, change: &Change) -> BTreeSet<&str> {
        let fits = |select: &Select| match select {
            Select::Alarms { kinds, sources, parameters } => {
                any(kinds, change.kind()) && any(sources, change.source()) && any(parameters, change.parameter())
            }
            Select::Averages { .. } | Select::Readings { .. } => false,
        };
        let fitting = self.routes.iter().filter(|(select, _)| fits(select));
        fitting.flat_map(|(_, to)| to.iter().map(String::as_str)).collect()
    }
}

/// A route that carries readings.
#[derive(Debug, Clone)]
pub struct ReadingRoute {
    devices: Vec<Pattern>,
    points: Vec<Pattern>,
    /// Through the journal or live.
    pub path: Path,
    /// Where it leads.
    pub to: Vec<Name>,
}

impl ReadingRoute {
    /// The route, if it carries readings.
    pub fn new(route: &Route) -> Option<Self> {
        match &route.select {
            Select::Readings { devices, points, path } => Some(ReadingRoute {
                devices: devices.clone(),
                points: points.clone(),
                path: *path,
                to: route.to.clone(),
            }),
            Select::Averages { .. } | Select::Alarms { .. } => None,
        }
    }

    /// Which points of a device the route carries, by position; `None` when it carries none of them.
    pub fn wanted(&self, catalog: &DeviceCatalog) -> Option<Arc<[bool]>> {
        if !any(&self.devices, &catalog.device) {
            return None;
        }
        let wanted: Arc<[bool]> = catalog.points.iter().map(|point| any(&self.points, &point.id)).collect();
        wanted.contains(&true).then_some(wanted)
    }
}

fn any(patterns: &[Pattern], name: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::{Point, PointKind};
    use crate::time::Timestamp;

    fn patterns(texts: &[&str]) -> Vec<Pattern> {
        texts.iter().map(|text| Pattern((*text).into())).collect()
    }

    #[test]
    fn an_average_goes_once_to_each_sink_whatever_the_number_of_routes() {
        let route = |sources: &[&str], to: &[&str]| Route {
            select: Select::Averages {
                sources: patterns(sources),
                parameters: patterns(&["*"]),
                rule_sets: patterns(&["kz-*"]),
            },
            to: to.iter().map(|name| (*name).to_owned()).collect(),
        };
        let routes = [route(&["*"], &["authority"]), route(&["stack-1"], &["authority", "archive"])];
        let routes = AverageRoutes::new(&routes);
        let key = |source: &str, rule_set: &str| AverageKey {
            source: source.into(),
            parameter: "NO2".into(),
            rule_set: rule_set.into(),
            start: Timestamp(0),
            revision: 0,
        };
        assert_eq!(routes.sinks(&key("stack-1", "kz-20min")), BTreeSet::from(["archive", "authority"]));
        assert_eq!(routes.sinks(&key("stack-2", "kz-20min")), BTreeSet::from(["authority"]));
        assert_eq!(routes.sinks(&key("stack-1", "eu-30min")), BTreeSet::new());
    }

    #[test]
    fn a_route_of_readings_names_devices_and_points() {
        let route = Route {
            select: Select::Readings {
                devices: patterns(&["no2-*"]),
                points: patterns(&["no", "no2"]),
                path: Path::Live,
            },
            to: vec!["dashboard".into()],
        };
        let route = ReadingRoute::new(&route).unwrap();
        let catalog = |device: &str| DeviceCatalog {
            device: device.into(),
            plugin: String::new(),
            plugin_digest: String::new(),
            points: ["nox", "no", "no2"]
                .map(|id| Point { id: id.into(), label: String::new(), unit: String::new(), kind: PointKind::Number })
                .into(),
        };
        assert_eq!(route.wanted(&catalog("no2-north")).as_deref(), Some([false, true, true].as_slice()));
        assert_eq!(route.wanted(&catalog("co-north")), None);
    }
}
