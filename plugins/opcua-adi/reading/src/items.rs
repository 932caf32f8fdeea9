//! What is monitored: one item for each point, in the same order.

use std::collections::BTreeSet;

use tutin_sdk::opcua::{Attribute, Client, Error, Node, Value};
use tutin_sdk::{Point, PointKind, log};

use crate::discover::{self, Found, Method, Variable};
use crate::ids::{id_of, is_wanted};
use crate::ruling::Ruling;
use crate::settings::{NodeSetting, Settings};

/// Most nodes of one read.
const AT_ONCE: usize = 1_000;
/// String, Guid, XmlElement, QualifiedName, LocalizedText: what is a text when there is no value yet to look at.
const TEXT_TYPES: [u32; 5] = [12, 14, 16, 20, 21];

/// A monitored node and its point.
#[derive(Debug)]
pub struct Item {
    /// The node.
    pub node: Node,
    /// The point of the same position.
    pub point: Point,
    /// What it rules over, when it does.
    pub ruling: Option<Ruling>,
    /// Positions of the items that rule over it.
    pub rulers: Vec<usize>,
}

/// Everything that is monitored, and the methods that were found.
#[derive(Debug, Default)]
pub struct Items {
    /// In the order of points.
    pub all: Vec<Item>,
    /// Methods of elements.
    pub methods: Vec<Method>,
}

impl Items {
    /// The listed nodes, and what is found when the settings ask for it.
    pub fn find(link: &impl Client, settings: &Settings) -> Result<Items, Error> {
        let mut making = Making::default();
        making.list(settings);
        if settings.is_discovering() {
            let most = usize::try_from(settings.most_objects).unwrap_or(usize::MAX);
            let found = discover::find(link, &settings.root, most)?;
            if found.is_cut {
                log::warn(&format!("more than {most} objects, or too deep: give a root, or the nodes themselves"));
            }
            making.add_found(link, found, settings)?;
        }
        Ok(making.items)
    }
}

#[derive(Debug, Default)]
struct Making {
    items: Items,
    ids: BTreeSet<String>,
}

impl Making {
    fn list(&mut self, settings: &Settings) {
        // All given ids first, so that none that is made takes one of them.
        self.ids.extend(settings.nodes.iter().map(|node| node.id.clone()));
        for node in &settings.nodes {
            self.items.all.push(Item { node: node.node.clone(), point: point(node), ruling: None, rulers: Vec::new() });
        }
        for (at, node) in settings.nodes.iter().enumerate() {
            let Some(health) = node.health.as_ref().or(settings.health.as_ref()) else { continue };
            let ruler = self.health(health);
            if let Some(item) = self.items.all.get_mut(at).filter(|_| ruler != at) {
                item.rulers.push(ruler);
            }
        }
    }

    /// The position of a DeviceHealth, made when it is not there.
    fn health(&mut self, node: &Node) -> usize {
        let known = self.items.all.iter_mut().enumerate().find(|(_, item)| item.node == *node);
        if let Some((at, item)) = known {
            item.ruling = Some(Ruling::Health);
            return at;
        }
        let id = id_of(&["device_health".to_owned()], &self.ids);
        self.ids.insert(id.clone());
        let point = Point::number(id, "DeviceHealth", "1");
        self.items.all.push(Item { node: node.clone(), point, ruling: Some(Ruling::Health), rulers: Vec::new() });
        self.items.all.len() - 1
    }

    fn add_found(&mut self, link: &impl Client, found: Found, settings: &Settings) -> Result<(), Error> {
        let Found { variables, methods, parents, .. } = found;
        self.items.methods = methods;
        let kinds = kinds(link, &variables)?;
        let units = units(link, &variables, settings)?;
        let most = usize::try_from(settings.most_points).unwrap_or(usize::MAX);
        let (mut elements, mut arrays, mut beyond) = (Vec::new(), 0, 0);
        for ((variable, kind), unit) in variables.into_iter().zip(kinds).zip(units) {
            let Some(kind) = kind else {
                arrays += 1;
                continue;
            };
            if let Some(at) = self.items.all.iter().position(|item| item.node == variable.node) {
                elements.push((at, variable.element));
                if let Some(item) = self.items.all.get_mut(at) {
                    item.ruling = variable.ruling;
                }
                continue;
            }
            let id = id_of(&variable.path, &self.ids);
            if variable.ruling.is_none() && !is_wanted(&id, &settings.only) {
                continue;
            }
            if self.items.all.len() >= most {
                beyond += 1;
                continue;
            }
            self.ids.insert(id.clone());
            elements.push((self.items.all.len(), variable.element));
            let point = Point { id, label: variable.path.join(" "), unit, kind };
            self.items.all.push(Item { node: variable.node, point, ruling: variable.ruling, rulers: Vec::new() });
        }
        if arrays + beyond > 0 {
            log::info(&format!("{arrays} arrays are not read; {beyond} variables are beyond most_points"));
        }
        self.rule(&elements, &parents);
        Ok(())
    }

    /// Each ruling rules over the items of its element and of those below, but over no other ruling.
    fn rule(&mut self, elements: &[(usize, usize)], parents: &[Option<usize>]) {
        let is_ruling = |at: usize| self.items.all.get(at).is_some_and(|item| item.ruling.is_some());
        let rulers: Vec<(usize, usize)> = elements.iter().copied().filter(|(at, _)| is_ruling(*at)).collect();
        for (at, element) in elements {
            let mut of = Vec::new();
            let mut above = Some(*element);
            while let Some(element) = above {
                of.extend(rulers.iter().filter(|(_, ruled)| *ruled == element).map(|(ruler, _)| *ruler));
                above = parents.get(element).copied().flatten();
            }
            if let Some(item) = self.items.all.get_mut(*at).filter(|item| item.ruling.is_none()) {
                item.rulers.extend(of);
            }
        }
    }
}

fn point(node: &NodeSetting) -> Point {
    let label = node.label.clone().unwrap_or_else(|| node.id.clone());
    Point { id: node.id.clone(), label, unit: node.unit.clone(), kind: node.kind }
}

/// What the values are, by their present value, else by their data type; none for arrays and structures.
fn kinds(link: &impl Client, variables: &[Variable]) -> Result<Vec<Option<PointKind>>, Error> {
    let mut kinds = Vec::with_capacity(variables.len());
    for variables in variables.chunks(AT_ONCE) {
        let nodes: Vec<Node> = variables.iter().map(|variable| variable.node.clone()).collect();
        let values = link.read(&nodes, Attribute::Value)?;
        let types = link.read(&nodes, Attribute::DataType)?;
        kinds.extend(values.iter().zip(&types).map(|(value, of)| match (&value.value, &of.value) {
            (Value::Text(_), _) => Some(PointKind::Text),
            (Value::Empty, Value::Id(of)) if TEXT_TYPES.iter().any(|number| *of == Node::standard(*number)) => {
                Some(PointKind::Text)
            }
            (Value::Empty | Value::Time(_), _) => Some(PointKind::Number),
            (other, _) => other.number().map(|_| PointKind::Number),
        }));
    }
    Ok(kinds)
}

/// The UCUM code of each variable's unit, as far as the settings know it.
fn units(link: &impl Client, variables: &[Variable], settings: &Settings) -> Result<Vec<String>, Error> {
    let nodes: Vec<Node> = variables.iter().map(|variable| variable.node.clone()).collect();
    let properties = discover::unit_properties(link, &nodes)?;
    let asked: Vec<Node> = properties.iter().flatten().cloned().collect();
    let mut answers = Vec::with_capacity(asked.len());
    for asked in asked.chunks(AT_ONCE) {
        answers.extend(link.read(asked, Attribute::Value)?);
    }
    let mut answers = answers.into_iter();
    let mut unknown = BTreeSet::new();
    let units = properties.iter().map(|property| {
        let said = property.as_ref().and_then(|_| answers.next());
        said.map_or_else(String::new, |said| unit(&said.value, settings, &mut unknown))
    });
    let units = units.collect();
    for text in unknown {
        log::warn(&format!("unit {text:?} is not in settings.units and is not taken over"));
    }
    Ok(units)
}

/// The unit that a property says, as far as the settings know it.
fn unit(said: &Value, settings: &Settings, unknown: &mut BTreeSet<String>) -> String {
    let (Value::Text(text) | Value::Other(text)) = said else { return String::new() };
    let name = display_name(text);
    match settings.units.get(name) {
        Some(unit) => unit.clone(),
        None => {
            unknown.insert(name.chars().take(80).collect());
            String::new()
        }
    }
}

/// EUInformation has no case of its own in the contract. It comes in words: `EUInformation namespace=URI id=NUMBER name=ppb description=…`.
fn display_name(text: &str) -> &str {
    let structure = text.strip_prefix("EUInformation ").and_then(|rest| rest.split_once(" name="));
    structure.map_or(text, |(_, rest)| rest.split_once(" description=").map_or(rest, |(name, _)| name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_known_by_its_display_name_alone() {
        let check = |text: &str, expected: &str| assert_eq!(display_name(text), expected, "{text}");
        check("mg/m³", "mg/m³");
        check("EUInformation namespace=http://x/ id=5 name=mg/m³ description=milligram name=x", "mg/m³");
        check("EUInformation namespace= id=-1 name= description=", "");
        check("EUInformation namespace= id=-1 name=part per billion description=", "part per billion");
    }
}
