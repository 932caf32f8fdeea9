//! Names and numbers of the models.
//!
//! Sources: OPC 10020 (ADI) 1.01, 5.1 to 5.3.4 and its nodeset; OPC 10000-100 (DI) 1.02, 5.5.4 (DeviceHealth); OPC 10000-8, 5.3 for the
//! types of analog variables.

use tutin_sdk::opcua::Node;

/// Namespace of DI.
pub const DI: &str = "http://opcfoundation.org/UA/DI/";
/// Namespace of ADI.
pub const ADI: &str = "http://opcfoundation.org/UA/ADI/";
/// Namespace of PA-DIM.
pub const PADIM: &str = "http://opcfoundation.org/UA/PADIM/";
/// Namespaces whose presence makes browsing worth it.
pub const MODELS: [&str; 3] = [DI, ADI, PADIM];

/// AnalyserDeviceType, AnalyserChannelType, StreamType, the devices derived from the first, AccessorySlotType.
const ADI_TYPES: [u32; 8] = [1001, 1003, 1010, 1011, 1012, 1013, 1014, 1017];
/// AnalogItemType, BaseAnalogType, AnalogUnitType, AnalogUnitRangeType.
const ANALOG_TYPES: [u32; 4] = [2368, 15318, 17497, 17570];
/// HasSubtype.
const HAS_SUBTYPE: u32 = 45;
/// Server: it describes itself, not the analyser.
const SERVER: u32 = 2253;

/// The types of ADI that a server's own types derive from.
pub fn adi_types() -> impl Iterator<Item = Node> {
    ADI_TYPES.iter().map(|number| Node::new(ADI, format!("i={number}")))
}

/// The types of variables that have an engineering unit.
pub fn analog_types() -> impl Iterator<Item = Node> {
    ANALOG_TYPES.iter().map(|number| Node::standard(*number))
}

/// HasSubtype.
pub fn has_subtype() -> Node {
    Node::standard(HAS_SUBTYPE)
}

/// The Server object.
pub fn server() -> Node {
    Node::standard(SERVER)
}
