//! Finding an analyser's variables by the models DI, ADI and PA-DIM.
//!
//! Browsing goes level by level from the root. An object is an element of the analyser when its type is, or derives from, one of ADI's, or when it has DI's
//! ParameterSet or DeviceHealth. Of an element are taken: the variables of its ParameterSet, every variable of an analog type (PA-DIM),
//! DeviceHealth, the current state of ADI's state machines, and the methods of its MethodSet. Functional groups only organise what stands
//! in the ParameterSet; a variable that is met on several ways is named by the shortest.

use std::collections::{BTreeMap, BTreeSet};

use tutin_sdk::opcua::{Client, Error, Node, Reference, Types};

use crate::model::{self, ADI, DI};
use crate::ruling::Ruling;

/// Nodes of one browse call.
const AT_ONCE: usize = 500;
/// Deepest level below the root.
const DEEPEST: usize = 20;

/// What the server has.
#[derive(Debug, Default)]
pub struct Found {
    /// In the order of their paths.
    pub variables: Vec<Variable>,
    /// Methods of elements.
    pub methods: Vec<Method>,
    /// Which element each element is part of.
    pub parents: Vec<Option<usize>>,
    /// Browsing ended before everything was seen.
    pub is_cut: bool,
}

/// A variable of an element.
#[derive(Debug, Clone)]
pub struct Variable {
    /// Its node.
    pub node: Node,
    /// Browse names from the outermost element on.
    pub path: Vec<String>,
    /// The element that it belongs to.
    pub element: usize,
    /// What it rules over, when it does.
    pub ruling: Option<Ruling>,
}

/// A method of an element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Method {
    /// The element's browse names, from the outermost on, joined by dots.
    pub element: String,
    /// Its browse name.
    pub name: String,
    /// The object that has it.
    pub object: Node,
    /// The method.
    pub method: Node,
}

#[derive(Debug, Clone)]
struct Place {
    node: Node,
    name: String,
    path: Vec<String>,
    element: Option<usize>,
    type_definition: Option<Node>,
}

/// Browses the server from `root` on.
pub fn find(link: &impl Client, root: &Node, most_objects: usize) -> Result<Found, Error> {
    let adi = subtypes(link, model::adi_types().collect())?;
    let analog = subtypes(link, model::analog_types().collect())?;
    let mut search = Search { adi, analog, found: Found::default(), variables: BTreeMap::new() };
    let first =
        Place { node: root.clone(), name: String::new(), path: Vec::new(), element: None, type_definition: None };
    let mut seen = BTreeSet::from([root.clone(), model::server()]);
    let mut level = vec![first];
    for _ in 0..DEEPEST {
        let mut next = Vec::new();
        for places in level.chunks(AT_ONCE) {
            let nodes: Vec<Node> = places.iter().map(|place| place.node.clone()).collect();
            for (place, answer) in places.iter().zip(link.browse(&nodes, Types::Not)?) {
                // An object that the server refuses to show has nothing to find.
                next.extend(answer.map(|references| search.look(place, &references)).unwrap_or_default());
            }
        }
        next.retain(|place| {
            let has_room = seen.len() < most_objects;
            search.found.is_cut |= !has_room && !seen.contains(&place.node);
            has_room && seen.insert(place.node.clone())
        });
        level = next;
        if level.is_empty() {
            return Ok(search.finish());
        }
    }
    search.found.is_cut = true;
    Ok(search.finish())
}

/// These types and all that derive from them.
fn subtypes(link: &impl Client, types: Vec<Node>) -> Result<BTreeSet<Node>, Error> {
    let mut all: BTreeSet<Node> = types.iter().cloned().collect();
    let mut level = types;
    for _ in 0..DEEPEST {
        let mut next = Vec::new();
        for answer in link.browse(&level, Types::Too)? {
            let references = answer.unwrap_or_default();
            let derived = references.into_iter().filter(|reference| reference.reference_type == model::has_subtype());
            next.extend(derived.map(|reference| reference.target).filter(|node| all.insert(node.clone())));
        }
        if next.is_empty() {
            break;
        }
        next.truncate(AT_ONCE);
        level = next;
    }
    Ok(all)
}

struct Search {
    adi: BTreeSet<Node>,
    analog: BTreeSet<Node>,
    found: Found,
    variables: BTreeMap<Node, Variable>,
}

impl Search {
    /// Takes what belongs to the place, and returns the objects below it.
    fn look(&mut self, place: &Place, references: &[Reference]) -> Vec<Place> {
        let element = if self.is_element(place, references) {
            self.found.parents.push(place.element);
            Some(self.found.parents.len() - 1)
        } else {
            place.element
        };
        let mut below = Vec::new();
        for reference in references {
            let name = reference.browse_name.clone();
            let path = if element.is_some() {
                [place.path.as_slice(), std::slice::from_ref(&name)].concat()
            } else {
                vec![name.clone()]
            };
            match (reference.node_class, element) {
                (1, _) => {
                    // Its variables are those of the element itself.
                    let is_inner = element.is_some() && matches!(name.as_str(), "ParameterSet" | "MethodSet");
                    let path = if is_inner { place.path.clone() } else { path };
                    let type_definition = reference.type_definition.clone();
                    below.push(Place { node: reference.target.clone(), name, path, element, type_definition });
                }
                (2, Some(element)) => self.look_at_variable(place, reference, path, element),
                (4, Some(_)) if place.name == "MethodSet" => self.found.methods.push(Method {
                    element: place.path.join("."),
                    name,
                    object: place.node.clone(),
                    method: reference.target.clone(),
                }),
                _ => {}
            }
        }
        below
    }

    fn is_element(&self, place: &Place, references: &[Reference]) -> bool {
        let is_mark = |reference: &Reference| {
            reference.browse_namespace == DI
                && matches!(reference.browse_name.as_str(), "ParameterSet" | "DeviceHealth")
        };
        place.type_definition.as_ref().is_some_and(|of| self.adi.contains(of)) || references.iter().any(is_mark)
    }

    fn look_at_variable(&mut self, place: &Place, reference: &Reference, path: Vec<String>, element: usize) {
        let is_of_model = matches!(reference.browse_namespace.as_str(), DI | ADI);
        let is_machine = matches!(place.name.as_str(), "AnalyserStateMachine" | "ChannelStateMachine");
        let ruling = match reference.browse_name.as_str() {
            "CurrentState" if is_machine => Some(Ruling::Machine),
            name if is_of_model => Ruling::of(name),
            _ => None,
        };
        let is_analog = reference.type_definition.as_ref().is_some_and(|of| self.analog.contains(of));
        if place.name != "ParameterSet" && !is_analog && ruling.is_none() {
            return;
        }
        let node = reference.target.clone();
        let variable = Variable { node: node.clone(), path, element, ruling };
        match self.variables.get(&node) {
            Some(known) if known.path.len() <= variable.path.len() => {}
            _ => {
                self.variables.insert(node, variable);
            }
        }
    }

    fn finish(self) -> Found {
        let mut found = self.found;
        found.variables = self.variables.into_values().collect();
        found.variables.sort_by(|a, b| (&a.path, &a.node).cmp(&(&b.path, &b.node)));
        found.methods.sort_by(|a, b| (&a.element, &a.name).cmp(&(&b.element, &b.name)));
        found
    }
}

/// The variable's property EngineeringUnits, for each that has one.
pub fn unit_properties(link: &impl Client, nodes: &[Node]) -> Result<Vec<Option<Node>>, Error> {
    let mut properties = Vec::with_capacity(nodes.len());
    for nodes in nodes.chunks(AT_ONCE) {
        for answer in link.browse(nodes, Types::Not)? {
            let references = answer.unwrap_or_default();
            let unit = references.into_iter().find(|reference| reference.browse_name == "EngineeringUnits");
            properties.push(unit.map(|reference| reference.target));
        }
    }
    Ok(properties)
}
