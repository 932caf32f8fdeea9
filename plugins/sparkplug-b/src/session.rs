//! What messages do: births, data, deaths, and what is missing between them.

use tutin_sdk::mqtt::{Publisher, Subscriber};
use tutin_sdk::{Samples, Timestamp};

use crate::edge::{self, Arrived, Edge, Session, Trust};
use crate::payload::Metric;
use crate::points::{Owner, Place};
use crate::sequence::Came;
use crate::topic::{Kind, NodeName};
use crate::{MOST_NODES, SparkplugB, value};

impl<L: Subscriber + Publisher> SparkplugB<L> {
    /// Acts on a message, or lets it wait for those before it.
    pub(crate) fn arrive(&mut self, arrived: Arrived, now: Timestamp, samples: &mut Samples) {
        let node = arrived.topic.node.clone();
        if !self.edges.contains_key(&node) && self.edges.len() >= MOST_NODES {
            return self.complain(now, &format!("more than {MOST_NODES} edge nodes: others are ignored"));
        }
        let edge = self.edges.entry(node.clone()).or_default();
        edge.heard = Some(arrived.at);
        match (arrived.topic.kind, &arrived.topic.device) {
            (Kind::Birth, None) => self.node_birth(&arrived, now, samples),
            (Kind::Death, None) => self.node_death(&arrived),
            _ => {
                let Some(seq) = edge::seq(&arrived.payload) else {
                    self.complain(now, &format!("{node}: a message without a sequence number from 0 to 255"));
                    return self.lose(&node, "a message had no sequence number");
                };
                let Some(session) = edge.session.as_mut() else {
                    edge.ask = Some("it was heard of without a birth");
                    return;
                };
                match session.sequence.take(seq, arrived) {
                    Came::InOrder(ready) => {
                        if session.trust == Trust::Unsure {
                            session.trust = Trust::Sure;
                            edge.ask = None;
                        }
                        ready.into_iter().for_each(|arrived| self.act(&arrived, now, samples));
                    }
                    Came::Early | Came::Again => {}
                    Came::Full => {
                        let waiting = session.sequence.give_up();
                        self.lose(&node, "too many messages wait for one that does not come");
                        waiting.into_iter().for_each(|arrived| self.act(&arrived, now, samples));
                    }
                }
            }
        }
    }

    /// What waited long enough is taken without what it waited for.
    pub(crate) fn end_waiting(&mut self, now: Timestamp, samples: &mut Samples) {
        let mut given_up = Vec::new();
        for (name, edge) in &mut self.edges {
            let waiting =
                edge.session.as_mut().and_then(|session| session.sequence.end_poll(self.settings.reorder_polls));
            given_up.extend(waiting.map(|waiting| (name.clone(), waiting)));
        }
        for (name, waiting) in given_up {
            self.complain(now, &format!("{name}: messages are missing; its values are suspect until its next birth"));
            self.lose(&name, "messages are missing");
            waiting.into_iter().for_each(|arrived| self.act(&arrived, now, samples));
        }
    }

    /// A message of the edge node is missing: nothing is sure until its next birth.
    pub(crate) fn lose(&mut self, node: &NodeName, why: &'static str) {
        if let Some(edge) = self.edges.get_mut(node) {
            edge.ask = Some(why);
            if let Some(session) = &mut edge.session {
                session.trust = Trust::Broken;
            }
        }
    }

    fn node_birth(&mut self, arrived: &Arrived, now: Timestamp, samples: &mut Samples) {
        let node = &arrived.topic.node;
        let Some(seq) = edge::seq(&arrived.payload) else {
            self.complain(now, &format!("{node}: a birth without a sequence number is ignored"));
            return;
        };
        let metrics = &arrived.payload.metrics;
        if !metrics.iter().any(|metric| metric.name.as_deref() == Some("Node Control/Rebirth")) {
            self.complain(now, &format!("{node}: its birth has no Node Control/Rebirth; it may not answer when asked"));
        }
        if let Some(edge) = self.edges.get_mut(node) {
            edge.session = Some(Session::new(seq, edge::bd_seq(&arrived.payload)));
            edge.ask = None;
            edge.asked = None;
        }
        self.birth(arrived, now, samples);
    }

    /// A death belongs to the session of its number: the will of an earlier session may come late.
    fn node_death(&mut self, arrived: &Arrived) {
        let Some(edge) = self.edges.get_mut(&arrived.topic.node) else { return };
        let number = edge::bd_seq(&arrived.payload);
        if edge
            .session
            .as_ref()
            .is_some_and(|session| number.is_none() || session.bd_seq.is_none() || number == session.bd_seq)
        {
            *edge = Edge { heard: edge.heard, ..Edge::default() };
        }
    }

    fn act(&mut self, arrived: &Arrived, now: Timestamp, samples: &mut Samples) {
        let topic = &arrived.topic;
        let Some(edge) = self.edges.get_mut(&topic.node) else { return };
        let Some(session) = edge.session.as_mut() else { return };
        match (topic.kind, &topic.device) {
            (Kind::Birth, Some(device)) => {
                session.devices.insert(device.clone());
                self.birth(arrived, now, samples);
            }
            (Kind::Death, Some(device)) => {
                session.devices.remove(device);
            }
            (Kind::Data, device) if session.has(device.as_ref()) => self.data(arrived, now, samples),
            (Kind::Data, _) => edge.ask = Some("a device was heard of without a birth"),
            // Those of the edge node itself were acted on when they came.
            (Kind::Birth | Kind::Death, None) => {}
        }
    }

    fn birth(&mut self, arrived: &Arrived, now: Timestamp, samples: &mut Samples) {
        let owner = Owner { node: arrived.topic.node.clone(), device: arrived.topic.device.clone() };
        self.points.forget(&owner);
        // Sorted, so that ids do not depend on the order in which the sender lists its metrics.
        let mut metrics: Vec<&Metric> = arrived.payload.metrics.iter().filter(|metric| metric.name.is_some()).collect();
        metrics.sort_by(|a, b| a.name.cmp(&b.name));
        for metric in metrics {
            let Some(name) = metric.name.as_deref() else { continue };
            let session = self.edges.get_mut(&owner.node).and_then(|edge| edge.session.as_mut());
            if let Some(session) = session {
                session.metrics.insert(owner.full(name));
                let alias = metric.alias.map(|alias| (alias, (owner.device.clone(), name.to_owned())));
                session.aliases.extend(alias);
            }
            if name == "bdSeq" || name.starts_with("Node Control/") || !self.settings.is_wanted(&owner.full(name)) {
                continue;
            }
            let datatype = metric.datatype.unwrap_or_default();
            let Some(kind) = value::kind(datatype) else { continue };
            let unit = self.unit(metric, now);
            let at = match self.points.place(&owner, name, kind, &unit, &self.settings) {
                Place::Known(at) => at,
                Place::New(at) => {
                    samples.points_changed();
                    at
                }
                Place::NoRoom => {
                    let most = self.settings.most_points;
                    self.complain(
                        now,
                        &format!("{} has more metrics than most_points, {most}: they are ignored", owner.node),
                    );
                    continue;
                }
            };
            if let Some(standing) = self.points.get_mut(at) {
                standing.owner = Some(owner.clone());
                standing.datatype = datatype;
                standing.held = Some(metric.clone());
            }
        }
    }

    fn data(&mut self, arrived: &Arrived, now: Timestamp, samples: &mut Samples) {
        let topic = &arrived.topic;
        for metric in &arrived.payload.metrics {
            let Some(edge) = self.edges.get_mut(&topic.node) else { return };
            let aliases = edge.session.as_ref().map(|session| &session.aliases);
            let known = metric.alias.and_then(|alias| aliases?.get(&alias).cloned());
            let (device, name) = match (&metric.name, known) {
                (Some(name), _) => (topic.device.clone(), name.clone()),
                (None, Some(known)) => known,
                (None, None) => {
                    self.lose(&topic.node, "an alias was not in its birth");
                    continue;
                }
            };
            let owner = Owner { node: topic.node.clone(), device };
            let is_born = edge.session.as_ref().is_some_and(|session| session.metrics.contains(&owner.full(&name)));
            if !is_born {
                self.lose(&topic.node, "a metric was not in its birth");
            } else if let Some(at) = self.points.find(&owner, &name) {
                self.tell(at, metric, arrived, now, samples);
            }
        }
    }

    /// The unit that a birth names, as far as the settings know it.
    fn unit(&mut self, metric: &Metric, now: Timestamp) -> String {
        let Some(property) = &self.settings.unit_property else { return String::new() };
        let Some((_, said)) = metric.texts.iter().find(|(key, _)| key == property) else { return String::new() };
        if let Some(unit) = self.settings.units.get(said) {
            return unit.clone();
        }
        let said: String = said.chars().take(80).collect();
        self.complain(now, &format!("unit {said:?} is not in settings.units and is not taken over"));
        String::new()
    }
}
