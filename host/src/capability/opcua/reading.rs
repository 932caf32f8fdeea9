//! Reading attributes and history.
//!
//! Where history goes on is the server's continuation point. Some servers cut a page off at the number of values that was asked for and give none; then it
//! goes on from the last value's time, without those of that time that were already handed out:
//!
//! ```text
//! 00 continuation point of the server
//! 01 time of the last value (i64, big endian)  values of that time that were handed out (u32, big endian)
//! ```
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
use super::session::{Session, UNKNOWN_NODE, VALUE, answers, attribute_of, unexpected};
use super::value::{data_value, refused, show, tick_from};
use super::{node, seen};
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
    let mut rest = values.iter();
    let answer = |id: &Option<NodeId>| match id.as_ref().and_then(|_| rest.next()) {
        Some(value) => data_value(value, &namespaces),
        None => refused(UNKNOWN_NODE),
    };
    let answers: Vec<DataValue> = ids.iter().map(answer).collect();
    session.tell_nodes(|| {
        let known = nodes.iter().zip(&ids).filter(|(_, id)| id.is_some()).zip(&values);
        let seen = known.filter(|_| attribute == VALUE).map(|((node, _), value)| seen::value(node, value));
        (in_words(&answers), seen.collect())
    });
    Ok(answers)
}

/// Where a page begins.
pub(super) enum From {
    Begin,
    Point(ByteString),
    /// A moment, and how many values of that moment are to be left out.
    Time(i64, usize),
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
    let Some(from) = from(&next) else { return bad(String::from("no such place to go on in a history")) };
    let Some(node_id) = resolve(session, std::slice::from_ref(&node)).await?.into_iter().flatten().next() else {
        return Err(Fault::Status(UNKNOWN_NODE.bits()));
    };
    let (begin, skipped, continuation_point) = match from {
        From::Begin => (begin, 0, ByteString::null()),
        From::Point(point) => (begin, 0, point),
        From::Time(time, skipped) => (time.max(begin), skipped, ByteString::null()),
    };
    session.tell_out(|| format!("history of {} from {} to {}", node::show(&node), Timestamp(begin), Timestamp(end)));
    // What was handed out already comes again in front.
    let asked = most.saturating_add(u32::try_from(skipped).unwrap_or(u32::MAX));
    let details = ReadRawModifiedDetails {
        is_read_modified: false,
        start_time: tick_from(begin),
        end_time: tick_from(end),
        num_values_per_node: asked,
        return_bounds: false,
    };
    let wanted = HistoryReadValueId { node_id, continuation_point, ..HistoryReadValueId::default() };
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
    let is_full = values.len() >= usize::try_from(asked).unwrap_or(usize::MAX);
    values.sort_by_key(|value| value.source_time);
    let next = match result.continuation_point.as_ref() {
        [] if is_full => resume_after(&values),
        [] => Vec::new(),
        point => [&[0], point].concat(),
    };
    let is_handed_out = values.iter().take_while(|value| value.source_time == begin).count().min(skipped);
    values.drain(..is_handed_out);
    // Servers differ in whether they count the end in.
    values.retain(|value| value.source_time == 0 || (begin..end).contains(&value.source_time));
    session.tell_in(|| in_words(&values));
    Ok(History { values, next })
}

pub(super) fn from(next: &[u8]) -> Option<From> {
    match next {
        [] => Some(From::Begin),
        [0, point @ ..] if point.len() <= LONGEST_POINT => Some(From::Point(ByteString::from(point.to_vec()))),
        [1, rest @ ..] => {
            let (time, skipped) = rest.split_first_chunk::<8>()?;
            let skipped = u32::from_be_bytes(skipped.try_into().ok()?).min(MOST_VALUES);
            Some(From::Time(i64::from_be_bytes(*time), usize::try_from(skipped).ok()?))
        }
        _ => None,
    }
}

/// Where to go on after a full page without a continuation point; nowhere when it holds a single moment that cannot be told apart.
pub(super) fn resume_after(values: &[DataValue]) -> Vec<u8> {
    let Some(last) = values.last().map(|value| value.source_time).filter(|time| *time != 0) else { return Vec::new() };
    let same = values.iter().rev().take_while(|value| value.source_time == last).count();
    let same = u32::try_from(same).unwrap_or(u32::MAX);
    [&[1], last.to_be_bytes().as_slice(), same.to_be_bytes().as_slice()].concat()
}

fn in_words(values: &[DataValue]) -> String {
    let shown = values.iter().take(SHOWN).map(|value| format!("{} {}", show(&value.value), status_text(value.status)));
    let rest = if values.len() > SHOWN { ", …" } else { "" };
    format!("{} values: {}{rest}", values.len(), shown.collect::<Vec<_>>().join(", "))
}
