//! One session with a server: requests over it, its namespaces, its limits.
//!
//! Whoever has a request sends it and waits; the server may answer in any order, and a slow answer holds up nobody. The keeper moves the bytes, and
//! when the connection goes every request that still waits is told.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opcua::client::AsyncSecureChannel;
use opcua::core::{RequestMessage, ResponseMessage};
use opcua::types::{
    DateTime, DiagnosticBits, NodeId, ReadRequest, ReadValueId, RequestHeader, StatusCode, TimestampsToReturn,
    VariableId, Variant,
};
use tokio::sync::Notify;

use super::fault::Fault;
use super::node::Namespaces;
use crate::capability::wire::{Content, Direction, SeenNode, Shown, Trace};

/// Attribute of a node's value (OPC 10000-6, annex A).
pub(super) const VALUE: u32 = 13;
/// Nodes that a frame of a trace has at most.
const NODES_IN_FRAME: usize = 1000;
/// Most operations in one request where the server names no limit, or a larger one.
const CHUNK: usize = 1000;

/// What a session is known by at the server, and with what the next activation is signed.
#[derive(Debug, Clone)]
pub(super) struct Pass {
    /// What each request shows.
    pub(super) token: NodeId,
    /// The server's last nonce.
    pub(super) nonce: opcua::types::ByteString,
}

/// Operations in one request, from the server's own limits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) read: usize,
    pub(super) browse: usize,
    pub(super) monitor: usize,
}

/// One session.
pub(super) struct Session {
    pub(super) channel: AsyncSecureChannel,
    pub(super) pass: Pass,
    /// Counts sessions since the hub started.
    pub(super) number: u64,
    pub(super) timeout: Duration,
    pub(super) limits: Limits,
    namespaces: Mutex<Arc<Namespaces>>,
    trace: Arc<Trace>,
    /// Rung when the server no longer knows the session.
    pub(super) gone: Notify,
}

impl Session {
    /// A session that was just activated; asks the server for its namespaces and limits.
    pub(super) async fn begin(
        channel: AsyncSecureChannel,
        pass: Pass,
        number: u64,
        timeout: Duration,
        trace: Arc<Trace>,
    ) -> Result<Self, Fault> {
        let limits = Limits { read: CHUNK, browse: CHUNK, monitor: CHUNK };
        let namespaces = Mutex::default();
        let mut session = Session { channel, pass, number, timeout, limits, namespaces, trace, gone: Notify::new() };
        session.read_namespaces().await?;
        session.limits = session.read_limits().await?;
        Ok(session)
    }

    /// The server's namespaces as they were last read.
    pub(super) fn namespaces(&self) -> Arc<Namespaces> {
        Arc::clone(&self.namespaces.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads them again: a server may add some while it runs.
    pub(super) async fn read_namespaces(&self) -> Result<Arc<Namespaces>, Fault> {
        let values = self.read_values(vec![value_of(VariableId::Server_NamespaceArray.into())]).await?;
        let uris = match values.into_iter().next().and_then(|value| value.value) {
            Some(Variant::Array(array)) => array
                .values
                .iter()
                .map(|uri| match uri {
                    Variant::String(uri) => uri.as_ref().to_owned(),
                    _ => String::new(),
                })
                .collect(),
            _ => return Err(Fault::Other(String::from("the server does not name its namespaces"))),
        };
        let namespaces = Arc::new(Namespaces::new(uris));
        *self.namespaces.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&namespaces);
        Ok(namespaces)
    }

    /// Reads attributes, one answer each.
    pub(super) async fn read_values(&self, nodes: Vec<ReadValueId>) -> Result<Vec<opcua::types::DataValue>, Fault> {
        let count = nodes.len();
        let request = ReadRequest {
            request_header: self.header(),
            max_age: 0.0,
            timestamps_to_return: TimestampsToReturn::Both,
            nodes_to_read: Some(nodes),
        };
        match self.ask(request).await? {
            ResponseMessage::Read(response) => answers(response.results, count),
            other => Err(unexpected(&other)),
        }
    }

    /// Sends a request and waits for its answer, at most the link's timeout.
    pub(super) async fn ask(&self, request: impl Into<RequestMessage>) -> Result<ResponseMessage, Fault> {
        self.ask_within(request, self.timeout).await
    }

    pub(super) async fn ask_within(
        &self,
        request: impl Into<RequestMessage>,
        timeout: Duration,
    ) -> Result<ResponseMessage, Fault> {
        let answer = self.channel.send(request, timeout).await;
        let answer = answer.map_err(|error| Fault::of(&error)).and_then(good);
        if let Err(fault) = &answer
            && fault.is_session_gone()
        {
            self.gone.notify_one();
        }
        answer
    }

    /// What stands in front of each request.
    pub(super) fn header(&self) -> RequestHeader {
        header(&self.channel, &self.pass.token, self.timeout)
    }

    /// Shows whoever watches the link what is asked.
    pub(super) fn tell_out(&self, meaning: impl FnOnce() -> String) {
        self.trace.show(Direction::Out, &[], meaning);
    }

    /// Shows whoever watches the link what was answered.
    pub(super) fn tell_in(&self, meaning: impl FnOnce() -> String) {
        self.trace.show(Direction::In, &[], meaning);
    }

    /// The same, with the nodes that it was about, in as many frames as it takes.
    pub(super) fn tell_nodes(&self, said: impl FnOnce() -> (String, Vec<SeenNode>)) {
        if !self.trace.is_watched() {
            return;
        }
        let (words, mut nodes) = said();
        let mut rest = nodes.split_off(nodes.len().min(NODES_IN_FRAME));
        self.trace.show(Direction::In, &[], || Shown::with(words, Content::Nodes(nodes)));
        while !rest.is_empty() {
            let more = rest.split_off(rest.len().min(NODES_IN_FRAME));
            let nodes = std::mem::replace(&mut rest, more);
            self.trace.show(Direction::In, &[], || Shown::with(String::from("…"), Content::Nodes(nodes)));
        }
    }

    async fn read_limits(&self) -> Result<Limits, Fault> {
        const LIMITS: [VariableId; 3] = [
            VariableId::Server_ServerCapabilities_OperationLimits_MaxNodesPerRead,
            VariableId::Server_ServerCapabilities_OperationLimits_MaxNodesPerBrowse,
            VariableId::Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall,
        ];
        let values = self.read_values(LIMITS.map(|id| value_of(id.into())).to_vec()).await?;
        let mut limits = values.into_iter().map(|value| match value.value {
            // Zero, and a server that has no such node, set no limit.
            Some(Variant::UInt32(limit @ 1..)) => usize::try_from(limit).unwrap_or(CHUNK).min(CHUNK),
            _ => CHUNK,
        });
        let mut next = || limits.next().unwrap_or(CHUNK);
        Ok(Limits { read: next(), browse: next(), monitor: next() })
    }
}

/// What stands in front of a request over this channel.
pub(super) fn header(channel: &AsyncSecureChannel, token: &NodeId, timeout: Duration) -> RequestHeader {
    RequestHeader {
        authentication_token: token.clone(),
        timestamp: DateTime::now(),
        request_handle: channel.request_handle(),
        return_diagnostics: DiagnosticBits::empty(),
        timeout_hint: u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX),
        ..RequestHeader::default()
    }
}

/// The answer, unless the server says that the service failed.
pub(super) fn good(response: ResponseMessage) -> Result<ResponseMessage, Fault> {
    let result = response.response_header().service_result;
    if result.is_bad() || matches!(response, ResponseMessage::ServiceFault(_)) {
        return Err(Fault::of(&opcua::types::Error::new(result, "the server refused the service")));
    }
    Ok(response)
}

/// As many answers as were asked for.
pub(super) fn answers<T>(results: Option<Vec<T>>, count: usize) -> Result<Vec<T>, Fault> {
    let results = results.unwrap_or_default();
    if results.len() == count {
        Ok(results)
    } else {
        Err(Fault::Other(format!("the server gave {} answers to {count} questions", results.len())))
    }
}

/// An answer to some other question.
pub(super) fn unexpected(response: &ResponseMessage) -> Fault {
    Fault::Other(format!("the server answered with a {}", response.type_name()))
}

/// An attribute of a node.
pub(super) fn attribute_of(node_id: NodeId, attribute_id: u32) -> ReadValueId {
    ReadValueId { node_id, attribute_id, ..ReadValueId::default() }
}

fn value_of(node_id: NodeId) -> ReadValueId {
    attribute_of(node_id, VALUE)
}

/// The node is not the server's.
pub(super) const UNKNOWN_NODE: StatusCode = StatusCode::BadNodeIdUnknown;
