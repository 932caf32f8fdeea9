//! An address space in memory, for the native tests of drivers.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use crate::driver::Timestamp;
use crate::opcua::{
    Attribute, Client, Control, DataValue, Error, History, Incoming, Node, Notification, Rates, Reference, Types, Value,
};

/// BadNodeIdUnknown.
const UNKNOWN_NODE: u32 = 0x8034_0000;

/// A server. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Server {
    shared: Rc<RefCell<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    namespaces: Vec<String>,
    references: BTreeMap<Node, Vec<Reference>>,
    attributes: BTreeMap<(Node, u32), DataValue>,
    history: BTreeMap<Node, Vec<DataValue>>,
    monitored: Vec<Node>,
    rates: Option<Rates>,
    queue: VecDeque<Notification>,
    lost: u64,
    refused: Vec<(usize, u32)>,
    calls: Vec<(Node, Node, Vec<Value>)>,
    refusal: Option<u32>,
    away: Option<String>,
    session: u64,
}

impl Server {
    /// A server with these namespaces beside OPC UA's own.
    pub fn new(namespaces: &[&str]) -> Self {
        let server = Server::default();
        let mut all = vec![String::from("http://opcfoundation.org/UA/")];
        all.extend(namespaces.iter().map(|namespace| (*namespace).to_owned()));
        *server.shared.borrow_mut() = Shared { namespaces: all, session: 1, ..Shared::default() };
        server
    }

    /// A reference from a node to another.
    pub fn refer(&self, from: &Node, to: Reference) -> &Self {
        self.shared.borrow_mut().references.entry(from.clone()).or_default().push(to);
        self
    }

    /// An attribute's value, without a notification.
    pub fn set(&self, node: &Node, attribute: Attribute, value: DataValue) -> &Self {
        self.shared.borrow_mut().attributes.insert((node.clone(), attribute.code()), value);
        self
    }

    /// A value changes, and whoever monitors it is told.
    pub fn change(&self, node: &Node, value: DataValue) -> &Self {
        let mut shared = self.shared.borrow_mut();
        if let Some(item) = shared.monitored.iter().position(|monitored| monitored == node) {
            shared.queue.push_back(Notification { item, value: value.clone() });
        }
        shared.attributes.insert((node.clone(), Attribute::Value.code()), value);
        self
    }

    /// What a node was.
    pub fn remember(&self, node: &Node, values: Vec<DataValue>) -> &Self {
        self.shared.borrow_mut().history.insert(node.clone(), values);
        self
    }

    /// So many notifications are lost.
    pub fn lose(&self, count: u64) {
        self.shared.borrow_mut().lost += count;
    }

    /// An item is refused.
    pub fn refuse_item(&self, item: usize, status: u32) {
        self.shared.borrow_mut().refused.push((item, status));
    }

    /// Methods and writes are refused with this status from now on.
    pub fn refuse(&self, status: Option<u32>) {
        self.shared.borrow_mut().refusal = status;
    }

    /// The session is gone.
    pub fn disconnect(&self, reason: &str) {
        self.shared.borrow_mut().away = Some(reason.to_owned());
    }

    /// There is a new session; every monitored item reports its value.
    pub fn connect(&self) {
        let mut shared = self.shared.borrow_mut();
        shared.away = None;
        shared.session += 1;
        let shared = &mut *shared;
        for (item, node) in shared.monitored.iter().enumerate() {
            if let Some(value) = shared.attributes.get(&(node.clone(), Attribute::Value.code())) {
                shared.queue.push_back(Notification { item, value: value.clone() });
            }
        }
    }

    /// What is monitored, and how.
    pub fn monitored(&self) -> (Vec<Node>, Option<Rates>) {
        let shared = self.shared.borrow();
        (shared.monitored.clone(), shared.rates)
    }

    /// Methods called since the last call: object, method, arguments. A write has the node as its object and method.
    pub fn calls(&self) -> Vec<(Node, Node, Vec<Value>)> {
        std::mem::take(&mut self.shared.borrow_mut().calls)
    }

    fn connected(&self) -> Result<(), Error> {
        match &self.shared.borrow().away {
            Some(reason) => Err(Error::Closed(reason.clone())),
            None => Ok(()),
        }
    }

    fn do_it(&self, object: &Node, method: &Node, arguments: &[Value]) -> Result<(), Error> {
        self.connected()?;
        let mut shared = self.shared.borrow_mut();
        if let Some(status) = shared.refusal {
            return Err(Error::Status(status));
        }
        shared.calls.push((object.clone(), method.clone(), arguments.to_vec()));
        Ok(())
    }
}

fn unknown() -> DataValue {
    DataValue { value: Value::Empty, status: UNKNOWN_NODE, source_time: None, server_time: None }
}

impl Client for Server {
    fn namespaces(&self) -> Result<Vec<String>, Error> {
        self.connected()?;
        Ok(self.shared.borrow().namespaces.clone())
    }

    fn browse(&self, nodes: &[Node], types: Types) -> Result<Vec<Result<Vec<Reference>, u32>>, Error> {
        self.connected()?;
        let shared = self.shared.borrow();
        let is_type = |reference: &Reference| matches!(reference.reference_type.identifier.as_str(), "i=40" | "i=45");
        let wanted = |reference: &&Reference| types == Types::Too || !is_type(reference);
        let browse = |node: &Node| match shared.references.get(node) {
            Some(references) => Ok(references.iter().filter(wanted).cloned().collect()),
            None => Ok(Vec::new()),
        };
        Ok(nodes.iter().map(browse).collect())
    }

    fn read(&self, nodes: &[Node], attribute: Attribute) -> Result<Vec<DataValue>, Error> {
        self.connected()?;
        let shared = self.shared.borrow();
        let read = |node: &Node| shared.attributes.get(&(node.clone(), attribute.code())).cloned();
        Ok(nodes.iter().map(|node| read(node).unwrap_or_else(unknown)).collect())
    }

    fn subscribe(&self, nodes: &[Node], rates: Rates) -> Result<(), Error> {
        let mut shared = self.shared.borrow_mut();
        shared.monitored = nodes.to_vec();
        shared.rates = Some(rates);
        let shared = &mut *shared;
        for (item, node) in shared.monitored.iter().enumerate() {
            if let Some(value) = shared.attributes.get(&(node.clone(), Attribute::Value.code())) {
                shared.queue.push_back(Notification { item, value: value.clone() });
            }
        }
        Ok(())
    }

    fn receive(&self, most: u32) -> Result<Incoming, Error> {
        let mut shared = self.shared.borrow_mut();
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(shared.queue.len());
        let notifications = shared.queue.drain(..most).collect();
        Ok(Incoming {
            notifications,
            lost: std::mem::take(&mut shared.lost),
            more: !shared.queue.is_empty(),
            is_connected: shared.away.is_none(),
            session: shared.session,
            refused: std::mem::take(&mut shared.refused),
        })
    }

    fn history(&self, node: &Node, begin: Timestamp, end: Timestamp, most: u32, next: &[u8]) -> Result<History, Error> {
        self.connected()?;
        let shared = self.shared.borrow();
        let Some(values) = shared.history.get(node) else { return Err(Error::Status(UNKNOWN_NODE)) };
        let inside = |value: &&DataValue| value.source_time.is_some_and(|at| at >= begin && at < end);
        let skipped = next.iter().fold(0_usize, |number, byte| number << 8 | usize::from(*byte));
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let page: Vec<DataValue> = values.iter().filter(inside).skip(skipped).take(most).cloned().collect();
        let read = skipped + page.len();
        let is_end = values.iter().filter(inside).count() <= read;
        let next = if is_end { Vec::new() } else { read.to_be_bytes().to_vec() };
        Ok(History { values: page, next })
    }
}

impl Control for Server {
    fn call(&self, object: &Node, method: &Node, arguments: &[Value]) -> Result<Vec<Value>, Error> {
        self.do_it(object, method, arguments)?;
        Ok(Vec::new())
    }

    fn write(&self, node: &Node, value: &Value) -> Result<(), Error> {
        self.do_it(node, node, std::slice::from_ref(value))
    }
}
