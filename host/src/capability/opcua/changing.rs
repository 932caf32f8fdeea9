//! Changing the server: writing variables, calling methods.
//!
//! Source: OPC 10000-4, 5.11.4 (Write), 5.12.2 (Call); OPC 10000-3, 5.6.2 (DataType and ValueRank of a variable).

use std::collections::HashMap;

use opcua::core::ResponseMessage;
use opcua::types::{
    Argument, BrowseDescription, BrowseDirection, BrowseRequest, CallMethodRequest, CallRequest, NodeId, Variant,
    ViewDescription, WriteRequest, WriteValue,
};

use super::bindings::tutin::opcua::client::{Node, Value};
use super::browse::resolve;
use super::fault::{Fault, status_text};
use super::node;
use super::session::{Session, UNKNOWN_NODE, VALUE, answers, attribute_of, unexpected};
use super::value::{from_server, show};
use super::variant::{Kind, Wanted, to_server};

/// Most arguments of a method.
const MOST_ARGUMENTS: usize = 100;
/// Longest way from a data type up to one of OPC UA's own.
const LONGEST_LINE: usize = 20;
/// Attributes DataType and ValueRank (OPC 10000-6, annex A).
const DATA_TYPE: u32 = 14;
const VALUE_RANK: u32 = 15;
/// HasSubtype, HasProperty (OPC 10000-5).
const HAS_SUBTYPE: u32 = 45;
const HAS_PROPERTY: u32 = 46;
/// The browse name is among what is asked for of a reference (OPC 10000-4, 5.9.2.2).
const BROWSE_NAME: u32 = 8;

/// Writes a variable's value in the type that the variable has.
pub(super) async fn write(session: &Session, node: &Node, value: &Value) -> Result<(), Fault> {
    let id = known(session, node).await?;
    let wanted = wanted(session, &id).await?;
    let value = to_server(value, wanted, &session.namespaces())
        .map_err(|reason| Fault::BadRequest(format!("{}: {reason}", node::show(node))))?;
    session.tell_out(|| format!("write {} = {}", node::show(node), in_words(session, &value)));
    let request = WriteRequest {
        request_header: session.header(),
        nodes_to_write: Some(vec![WriteValue {
            node_id: id,
            attribute_id: VALUE,
            value: opcua::types::DataValue { value: Some(value), ..opcua::types::DataValue::null() },
            ..WriteValue::default()
        }]),
    };
    let results = match session.ask(request).await? {
        ResponseMessage::Write(response) => answers(response.results, 1)?,
        other => return Err(unexpected(&other)),
    };
    match results.first() {
        Some(status) if status.is_bad() => {
            session.tell_in(|| status_text(status.bits()));
            Err(Fault::Status(status.bits()))
        }
        _ => {
            session.tell_in(|| String::from("written"));
            Ok(())
        }
    }
}

/// Calls a method with arguments in the types that it declares.
pub(super) async fn call(
    session: &Session,
    object: &Node,
    method: &Node,
    arguments: &[Value],
) -> Result<Vec<Value>, Fault> {
    if arguments.len() > MOST_ARGUMENTS {
        let text = format!("{} arguments where {MOST_ARGUMENTS} can be given", arguments.len());
        return Err(Fault::BadRequest(text));
    }
    let (object_id, method_id) = (known(session, object).await?, known(session, method).await?);
    let declared = declared(session, &method_id).await?;
    let namespaces = session.namespaces();
    let mut input = Vec::with_capacity(arguments.len());
    for (at, argument) in arguments.iter().enumerate() {
        // A server that declares nothing gets each value as it is by itself, and judges.
        let wanted = declared.get(at).copied().unwrap_or(Wanted::Either(Kind::Any));
        let value = to_server(argument, wanted, &namespaces)
            .map_err(|reason| Fault::BadRequest(format!("argument {} of {}: {reason}", at + 1, node::show(method))))?;
        input.push(value);
    }
    session.tell_out(|| {
        let shown = input.iter().map(|value| in_words(session, value)).collect::<Vec<_>>().join(", ");
        format!("call {} of {} ({shown})", node::show(method), node::show(object))
    });
    let request = CallRequest {
        request_header: session.header(),
        methods_to_call: Some(vec![CallMethodRequest {
            object_id,
            method_id,
            input_arguments: Some(input).filter(|input| !input.is_empty()),
        }]),
    };
    let results = match session.ask(request).await? {
        ResponseMessage::Call(response) => answers(response.results, 1)?,
        other => return Err(unexpected(&other)),
    };
    let Some(result) = results.into_iter().next() else { return Err(Fault::Other("no answer".into())) };
    if result.status_code.is_bad() {
        session.tell_in(|| status_text(result.status_code.bits()));
        return Err(Fault::Status(result.status_code.bits()));
    }
    let output: Vec<Value> =
        result.output_arguments.iter().flatten().map(|value| from_server(value, &namespaces)).collect();
    session.tell_in(|| format!("done: ({})", output.iter().map(show).collect::<Vec<_>>().join(", ")));
    Ok(output)
}

async fn known(session: &Session, node: &Node) -> Result<NodeId, Fault> {
    let id = resolve(session, std::slice::from_ref(node)).await?.into_iter().flatten().next();
    id.ok_or(Fault::Status(UNKNOWN_NODE.bits()))
}

/// What a variable takes, by its attributes.
async fn wanted(session: &Session, id: &NodeId) -> Result<Wanted, Fault> {
    let asked = vec![attribute_of(id.clone(), DATA_TYPE), attribute_of(id.clone(), VALUE_RANK)];
    let values = session.read_values(asked).await?;
    let [data_type, rank] = values.as_slice() else { return Err(Fault::Other("no data type".into())) };
    let data_type_id = match (&data_type.value, data_type.status) {
        (Some(Variant::NodeId(id)), _) => (**id).clone(),
        (_, Some(status)) if status.is_bad() => return Err(Fault::Status(status.bits())),
        _ => return Err(Fault::Other(String::from("the server does not say which type the variable has"))),
    };
    let rank = match rank.value {
        Some(Variant::Int32(rank)) => rank,
        // It may be one or many: the server judges.
        _ => -2,
    };
    let kind = kind(session, &data_type_id).await?;
    Ok(Wanted::of(kind, rank))
}

/// The type of OPC UA's own that a data type is, or is derived from.
async fn kind(session: &Session, data_type: &NodeId) -> Result<Kind, Fault> {
    let mut id = data_type.clone();
    for _ in 0..LONGEST_LINE {
        if id.namespace == 0
            && let Some(kind) = id.as_u32().and_then(Kind::of)
        {
            return Ok(kind);
        }
        match related(session, &id, HAS_SUBTYPE, BrowseDirection::Inverse).await?.into_iter().next() {
            Some((_, above)) => id = above,
            None => break,
        }
    }
    let shown = node::show(&session.namespaces().to_plugin(data_type));
    Err(Fault::BadRequest(format!("values of type {shown} cannot be sent")))
}

/// What a method declares to take, in order; empty when it declares nothing.
async fn declared(session: &Session, method: &NodeId) -> Result<Vec<Wanted>, Fault> {
    let properties = related(session, method, HAS_PROPERTY, BrowseDirection::Forward).await?;
    let Some((_, property)) = properties.into_iter().find(|(name, _)| name == "InputArguments") else {
        return Ok(Vec::new());
    };
    let values = session.read_values(vec![attribute_of(property, VALUE)]).await?;
    let Some(Variant::Array(array)) = values.into_iter().next().and_then(|value| value.value) else {
        return Ok(Vec::new());
    };
    let mut kinds: HashMap<NodeId, Kind> = HashMap::new();
    let mut wanted = Vec::new();
    for value in &array.values {
        let Variant::ExtensionObject(object) = value else { return Ok(Vec::new()) };
        let Some(argument) = object.inner_as::<Argument>() else { return Ok(Vec::new()) };
        let kind = match kinds.get(&argument.data_type) {
            Some(kind) => *kind,
            // A structure can only be refused by the server, which says so.
            None => kind(session, &argument.data_type).await.unwrap_or(Kind::Any),
        };
        kinds.insert(argument.data_type.clone(), kind);
        wanted.push(Wanted::of(kind, argument.value_rank));
    }
    Ok(wanted)
}

/// Where references of one kind lead: browse name and node.
async fn related(
    session: &Session,
    node: &NodeId,
    kind: u32,
    browse_direction: BrowseDirection,
) -> Result<Vec<(String, NodeId)>, Fault> {
    let request = BrowseRequest {
        request_header: session.header(),
        view: ViewDescription::default(),
        requested_max_references_per_node: 0,
        nodes_to_browse: Some(vec![BrowseDescription {
            node_id: node.clone(),
            browse_direction,
            reference_type_id: NodeId::new(0, kind),
            include_subtypes: true,
            node_class_mask: 0,
            result_mask: BROWSE_NAME,
        }]),
    };
    let results = match session.ask(request).await? {
        ResponseMessage::Browse(response) => answers(response.results, 1)?,
        other => return Err(unexpected(&other)),
    };
    let references = results.into_iter().filter_map(|result| result.references).flatten();
    Ok(references.map(|one| (one.browse_name.name.as_ref().to_owned(), one.node_id.node_id)).collect())
}

fn in_words(session: &Session, value: &Variant) -> String {
    show(&from_server(value, &session.namespaces()))
}
