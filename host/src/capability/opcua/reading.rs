//! Reading attributes and history.
//!
//! Source: OPC 10000-4, 5.11.2 (Read), 5.11.3 (HistoryRead); OPC 10000-11, 6.4.3 (raw values).

use opcua::core::ResponseMessage;
use opcua::types::{
    ByteString, ExtensionObject, HistoryData, HistoryReadRequest, HistoryReadValueId, NodeId, ReadRawModifiedDetails,
    ReadValueId, TimestampsToReturn,
};

use super::bindings::tutin::opcua::client::{DataValue, History, Node};
use super::browse::resolve;
use super::fault::{Fault, status_text};
use super::node;
use super::session::{Session, UNKNOWN_NODE, answers, attribute_of, unexpected};
use super::value::{data_value, refused, show, tick_from};
use crate::time::Timestamp;

/// Most nodes in a call.
const MOST_NODES: usize = 10_000;
/// Most values in a page of history.
const MOST_VALUES: u32 = 100_000;
/// Attributes have the numbers 1 to this (OPC 10000-6, annex A).
const LAST_ATTRIBUTE: u32 = 27;
/// Longest continuation point that is handed on.
const LONGEST_POINT: usize = 65_536;
/// Values that the trace shows.
const SHOWN: usize = 5;

/// A stretch of one node's history, and where to go on in it.
pub(super) struct Stretch {
    pub(super) node: Node,
    /// Nanoseconds since 1970, included.
    pub(super) begin: i64,
    /// Nanoseconds since 1970, excluded.
    pub(super) end: i64,
    /// Most values in a page.
    pub(super) most: u32,
    pub(super) next: Vec<u8>,
}

/// An attribute of each node, in as many requests as the server's limits ask for.
pub(super) async fn read(session: &Session, nodes: &[Node], attribute: u32) -> Result<Vec<DataValue>, Fault> {
    if nodes.len() > MOST_NODES {
        return Err(Fault::BadRequest(format!("{} nodes where {MOST_NODES} can be read in a call", nodes.len())));
    }
    if !(1..=LAST_ATTRIBUTE).contains(&attribute) {
        return Err(Fault::BadRequest(format!("attribute {attribute} where there are 1 to {LAST_ATTRIBUTE}")));
    }
    let ids = resolve(session, nodes).await?;
    session.tell_out(|| {
        let first = nodes.first().map(node::show).unwrap_or_default();
        format!("read attribute {attribute} of {} nodes: {first}", nodes.len())
    });
    let known: Vec<ReadValueId> = ids.iter().flatten().map(|id| attribute_of(id.clone(), attribute)).collect();
    let mut values = Vec::with_capacity(known.len());
    for chunk in known.chunks(session.limits.read) {
        values.extend(session.read_values(chunk.to_vec()).await?);
    }
    let namespaces = session.namespaces();
    let mut values = values.iter();
    let answer = |id: &Option<NodeId>| match id.as_ref().and_then(|_| values.next()) {
        Some(value) => data_value(value, &namespaces),
        None => refused(UNKNOWN_NODE),
    };
    let answers: Vec<DataValue> = ids.iter().map(answer).collect();
    session.tell_in(|| in_words(&answers));
    Ok(answers)
}

/// One page of raw history.
pub(super) async fn history(session: &Session, stretch: Stretch) -> Result<History, Fault> {
    let Stretch { node, begin, end, most, next } = stretch;
    let bad = |text: String| Err(Fault::BadRequest(text));
    if begin >= end {
        return bad(format!("the history from {} to {} is empty", Timestamp(begin), Timestamp(end)));
    }
    if most == 0 || most > MOST_VALUES {
        return bad(format!("pages of {most} values where 1 to {MOST_VALUES} can be asked for"));
    }
    if next.len() > LONGEST_POINT {
        return bad(format!("a continuation point of {} bytes where {LONGEST_POINT} are the most", next.len()));
    }
    let Some(node_id) = resolve(session, std::slice::from_ref(&node)).await?.into_iter().flatten().next() else {
        return Err(Fault::Status(UNKNOWN_NODE.bits()));
    };
    session.tell_out(|| format!("history of {} from {} to {}", node::show(&node), Timestamp(begin), Timestamp(end)));
    let details = ReadRawModifiedDetails {
        is_read_modified: false,
        start_time: tick_from(begin),
        end_time: tick_from(end),
        num_values_per_node: most,
        return_bounds: false,
    };
    let wanted = HistoryReadValueId {
        node_id,
        continuation_point: if next.is_empty() { ByteString::null() } else { ByteString::from(next) },
        ..HistoryReadValueId::default()
    };
    let request = HistoryReadRequest {
        request_header: session.header(),
        history_read_details: ExtensionObject::from_message(details),
        timestamps_to_return: TimestampsToReturn::Both,
        release_continuation_points: false,
        nodes_to_read: Some(vec![wanted]),
    };
    let results = match session.ask(request).await? {
        ResponseMessage::HistoryRead(response) => answers(response.results, 1)?,
        other => return Err(unexpected(&other)),
    };
    let Some(result) = results.into_iter().next() else { return Err(Fault::Other("no history".into())) };
    if result.status_code.is_bad() {
        session.tell_in(|| status_text(result.status_code.bits()));
        return Err(Fault::Status(result.status_code.bits()));
    }
    let namespaces = session.namespaces();
    let data = result.history_data.into_inner_as::<HistoryData>().and_then(|data| data.data_values).unwrap_or_default();
    let mut values: Vec<DataValue> = data.iter().map(|value| data_value(value, &namespaces)).collect();
    // Servers differ in whether they count the end in.
    values.retain(|value| value.source_time == 0 || (begin..end).contains(&value.source_time));
    values.sort_by_key(|value| value.source_time);
    session.tell_in(|| in_words(&values));
    Ok(History { values, next: result.continuation_point.as_ref().to_vec() })
}

fn in_words(values: &[DataValue]) -> String {
    let shown = values.iter().take(SHOWN).map(|value| format!("{} {}", show(&value.value), status_text(value.status)));
    let rest = if values.len() > SHOWN { ", …" } else { "" };
    format!("{} values: {}{rest}", values.len(), shown.collect::<Vec<_>>().join(", "))
}
