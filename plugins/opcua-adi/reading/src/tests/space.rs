//! An analyser's address space, constructed after the nodesets of DI 1.02 and ADI 1.01 (types and browse names are theirs, the vendor's
//! namespace and nodes are invented), and a second device as PA-DIM puts signals.

use std::cell::RefCell;
use std::rc::Rc;

use tutin_sdk::Timestamp;
use tutin_sdk::opcua::fake::Server;
use tutin_sdk::opcua::{
    Attribute, Client, Control, DataValue, Error, History, Incoming, Node, Rates, Reference, Types, Value,
};

use crate::model::{ADI, DI, PADIM};

pub const VENDOR: &str = "http://vendor.example/";
pub const BEGIN: i64 = 1_772_366_400;

/// A vendor's node.
pub fn node(name: &str) -> Node {
    Node::new(VENDOR, format!("s={name}"))
}

pub fn at(seconds: f64) -> Timestamp {
    Timestamp(BEGIN * 1_000_000_000 + (seconds * 1e9) as i64)
}

pub fn value(value: Value, status: u32, seconds: f64) -> DataValue {
    DataValue { value, status, source_time: Some(at(seconds)), server_time: None }
}

pub fn good(value: Value) -> DataValue {
    self::value(value, 0, 0.0)
}

/// A server with the analyser.
pub fn analyser(namespaces: &[&str]) -> Server {
    let server = Server::new(namespaces);
    let objects = Node::standard(85);
    server.refer(&objects, object("", "Server", Node::standard(2253), None));
    server.refer(&objects, object(DI, "DeviceSet", node("DeviceSet"), None));
    server.refer(&Node::new(ADI, "i=1001"), subtype(node("VendorAnalyserType")));
    server.refer(&node("DeviceSet"), object(VENDOR, "Gas", node("Gas"), Some(node("VendorAnalyserType"))));
    server.refer(&node("Gas"), variable(DI, "DeviceHealth", node("Gas.Health"), None));
    server.refer(&node("Gas"), object(ADI, "AnalyserStateMachine", node("Gas.Machine"), None));
    server.refer(&node("Gas.Machine"), variable("", "CurrentState", node("Gas.State"), None));
    server.refer(&node("Gas"), object(VENDOR, "Ch1", node("Ch1"), Some(Node::new(ADI, "i=1003"))));
    server.refer(&node("Ch1"), object(DI, "MethodSet", node("Ch1.Methods"), None));
    server.refer(&node("Ch1.Methods"), method("StartSingleAcquisition", node("Ch1.Start1")));
    server.refer(&node("Ch1"), object(VENDOR, "S1", node("S1"), Some(Node::new(ADI, "i=1010"))));
    server.refer(&node("S1"), object(ADI, "AcquisitionData", node("S1.Group"), None));
    server.refer(&node("S1"), object(DI, "ParameterSet", node("S1.Set"), None));
    let analog = Some(Node::standard(2368));
    server.refer(&node("S1.Group"), variable(VENDOR, "NO2", node("S1.NO2"), analog.clone()));
    server.refer(&node("S1.Set"), variable(VENDOR, "NO2", node("S1.NO2"), analog));
    server.refer(&node("S1.NO2"), variable("", "EngineeringUnits", node("S1.NO2.Unit"), None));
    server.refer(&node("S1.Set"), variable(ADI, "RawData", node("S1.Raw"), None));
    server.refer(&node("S1.Set"), variable(ADI, "ExecutionCycle", node("S1.Cycle"), None));
    server.refer(&node("S1.Set"), variable(ADI, "AcquisitionResultStatus", node("S1.Result"), None));
    server.refer(&node("S1.Set"), variable(ADI, "CampaignId", node("S1.Campaign"), None));
    // A channel of the vendor's own type, known as one by its type alone.
    server.refer(&Node::new(ADI, "i=1003"), subtype(node("VendorChannelType")));
    server.refer(&node("Gas"), object(VENDOR, "Ch2", node("Ch2"), Some(node("VendorChannelType"))));
    server.refer(&node("Ch2"), object(ADI, "ChannelStateMachine", node("Ch2.Machine"), None));
    server.refer(&node("Ch2.Machine"), variable("", "CurrentState", node("Ch2.State"), None));
    server.refer(&node("Ch2"), variable(VENDOR, "T", node("Ch2.T"), Some(Node::standard(15318))));
    // PA-DIM: no ParameterSet, but a variable of an analog type below a device.
    server.refer(&node("DeviceSet"), object(VENDOR, "Flow", node("Flow"), None));
    server.refer(&node("Flow"), variable(DI, "DeviceHealth", node("Flow.Health"), None));
    server.refer(&node("Flow"), object(PADIM, "SignalSet", node("Flow.Signals"), None));
    server.refer(&node("Flow.Signals"), object(VENDOR, "V1", node("Flow.V1"), None));
    let analog = Some(Node::standard(17497));
    server.refer(&node("Flow.V1"), variable(PADIM, "AnalogSignal", node("Flow.V1.Signal"), analog));
    // No part of an analyser: neither type nor ParameterSet.
    server.refer(&objects, object(VENDOR, "Plant", node("Plant"), None));
    server.refer(&node("Plant"), variable(VENDOR, "Pump", node("Pump"), Some(Node::standard(2368))));
    let set = |name: &str, value: Value| server.set(&node(name), Attribute::Value, good(value));
    set("Gas.Health", Value::Integer(0));
    set("Gas.State", Value::Text("Operating".into()));
    set("S1.NO2", Value::Double(12.5));
    let unit = "EUInformation namespace=http://www.opcfoundation.org/UA/units/un/cefact id=1 name=ppb description=";
    set("S1.NO2.Unit", Value::Other(unit.into()));
    set("S1.Raw", Value::Numbers(vec![1.0, 2.0]));
    set("S1.Cycle", Value::Integer(16));
    set("S1.Result", Value::Integer(1));
    set("S1.Campaign", Value::Text("winter".into()));
    set("Ch2.State", Value::Text("Operating".into()));
    set("Ch2.T", Value::Double(20.0));
    set("Flow.Health", Value::Integer(0));
    set("Flow.V1.Signal", Value::Float(3.5));
    server
}

/// The namespaces of an analyser.
pub fn models() -> Vec<&'static str> {
    vec![DI, ADI, PADIM, VENDOR]
}

fn object(namespace: &str, name: &str, target: Node, of: Option<Node>) -> Reference {
    reference(namespace, name, target, 1, of, 47)
}

pub fn variable(namespace: &str, name: &str, target: Node, of: Option<Node>) -> Reference {
    reference(namespace, name, target, 2, of, 47)
}

fn method(name: &str, target: Node) -> Reference {
    reference(ADI, name, target, 4, None, 47)
}

fn subtype(target: Node) -> Reference {
    reference(VENDOR, "VendorType", target, 8, None, 45)
}

fn reference(namespace: &str, name: &str, target: Node, class: u32, of: Option<Node>, kind: u32) -> Reference {
    Reference {
        target,
        browse_namespace: namespace.into(),
        browse_name: name.into(),
        display_name: name.into(),
        node_class: class,
        type_definition: of,
        reference_type: Node::standard(kind),
    }
}

/// A link behind which the server can be exchanged, and whose reading can fail alone.
#[derive(Debug, Clone)]
pub struct Line {
    pub server: Rc<RefCell<Server>>,
    pub read_fails: Rc<RefCell<bool>>,
    pub browses: Rc<RefCell<u32>>,
}

impl Line {
    pub fn new(server: &Server) -> Self {
        Line { server: Rc::new(RefCell::new(server.clone())), read_fails: Rc::default(), browses: Rc::default() }
    }
}

impl Client for Line {
    fn namespaces(&self) -> Result<Vec<String>, Error> {
        *self.browses.borrow_mut() += 1;
        self.server.borrow().namespaces()
    }

    fn browse(&self, nodes: &[Node], types: Types) -> Result<Vec<Result<Vec<Reference>, u32>>, Error> {
        self.server.borrow().browse(nodes, types)
    }

    fn read(&self, nodes: &[Node], attribute: Attribute) -> Result<Vec<DataValue>, Error> {
        if *self.read_fails.borrow() {
            return Err(Error::Timeout);
        }
        self.server.borrow().read(nodes, attribute)
    }

    fn subscribe(&self, nodes: &[Node], rates: Rates) -> Result<(), Error> {
        self.server.borrow().subscribe(nodes, rates)
    }

    fn receive(&self, most: u32) -> Result<Incoming, Error> {
        self.server.borrow().receive(most)
    }

    fn history(&self, node: &Node, begin: Timestamp, end: Timestamp, most: u32, next: &[u8]) -> Result<History, Error> {
        self.server.borrow().history(node, begin, end, most, next)
    }
}

impl Control for Line {
    fn call(&self, object: &Node, method: &Node, arguments: &[Value]) -> Result<Vec<Value>, Error> {
        self.server.borrow().call(object, method, arguments)
    }

    fn write(&self, node: &Node, value: &Value) -> Result<(), Error> {
        self.server.borrow().write(node, value)
    }
}
