//! `spBv1.0/GROUP/MESSAGE/EDGE_NODE[/DEVICE]` (Sparkplug 3.0, chapter 4).

/// What a topic says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Which edge node.
    pub node: NodeName,
    /// The device, for messages of one.
    pub device: Option<String>,
    /// What the message is.
    pub kind: Kind,
}

/// An edge node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeName {
    /// Its group.
    pub group: String,
    /// Its own name.
    pub name: String,
}

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// NBIRTH, DBIRTH.
    Birth,
    /// NDATA, DDATA.
    Data,
    /// NDEATH, DDEATH.
    Death,
}

impl Topic {
    /// Reads a topic; nothing for commands, for the state of hosts, and for what is not Sparkplug's.
    pub fn read(topic: &str) -> Option<Self> {
        let mut levels = topic.split('/');
        if levels.next() != Some("spBv1.0") {
            return None;
        }
        let (group, message, name) = (levels.next()?, levels.next()?, levels.next()?);
        let device = levels.next();
        let (kind, is_of_device) = match message {
            "NBIRTH" => (Kind::Birth, false),
            "NDATA" => (Kind::Data, false),
            "NDEATH" => (Kind::Death, false),
            "DBIRTH" => (Kind::Birth, true),
            "DDATA" => (Kind::Data, true),
            "DDEATH" => (Kind::Death, true),
            _ => return None,
        };
        if levels.next().is_some() || device.is_some() != is_of_device {
            return None;
        }
        let node = NodeName { group: group.to_owned(), name: name.to_owned() };
        Some(Topic { node, device: device.map(str::to_owned), kind })
    }
}

impl NodeName {
    /// Where its commands go.
    pub fn command_topic(&self) -> String {
        format!("spBv1.0/{}/NCMD/{}", self.group, self.name)
    }
}

impl std::fmt::Display for NodeName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.group, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_says_who_speaks_and_what_the_message_is() {
        let check = |topic: &str, expected: Option<(&str, Option<&str>, Kind)>| {
            let read = Topic::read(topic);
            let read = read.as_ref().map(|read| (read.node.name.as_str(), read.device.as_deref(), read.kind));
            assert_eq!(read, expected, "{topic}");
        };
        check("spBv1.0/plant/NBIRTH/edge", Some(("edge", None, Kind::Birth)));
        check("spBv1.0/plant/DDATA/edge/gas", Some(("edge", Some("gas"), Kind::Data)));
        check("spBv1.0/plant/DDEATH/edge/gas", Some(("edge", Some("gas"), Kind::Death)));
        check("spBv1.0/plant/NDATA/edge/gas", None);
        check("spBv1.0/plant/DDATA/edge", None);
        check("spBv1.0/plant/DDATA/edge/gas/more", None);
        check("spBv1.0/plant/NCMD/edge", None);
        check("spBv1.0/STATE/host", None);
        check("spAv1.0/plant/NDATA/edge", None);
    }
}
