//! Browsing: references of nodes, in as few requests as the server's limits allow.
//!
//! Source: OPC 10000-4, 5.9.2 (Browse), 5.9.3 (BrowseNext).

use opcua::core::ResponseMessage;
use opcua::types::{
    BrowseDescription, BrowseDirection, BrowseNextRequest, BrowseRequest, BrowseResult, ByteString, NodeId,
    ReferenceDescription, StatusCode, ViewDescription,
};

use super::bindings::tutin::opcua::client::{Node, Reference};
use super::fault::{Fault, status_text};
use super::node::{self, Namespaces, NodeError};
use super::seen;
use super::session::{Session, UNKNOWN_NODE, answers, unexpected};

/// Most nodes in a call, and most references in its answer.
const MOST_NODES: usize = 1000;
const MOST_REFERENCES: usize = 100_000;
/// Most references of a node in one message; the rest comes after a continuation point.
const PAGE: u32 = 1000;
/// HierarchicalReferences, HasTypeDefinition, HasSubtype (OPC 10000-5).
const HIERARCHICAL: u32 = 33;
const HAS_TYPE_DEFINITION: u32 = 40;
const HAS_SUBTYPE: u32 = 45;
/// All fields of a reference (OPC 10000-4, 5.9.2.2).
const ALL_FIELDS: u32 = 63;

/// What came for one node.
type Found = Result<Vec<ReferenceDescription>, StatusCode>;

/// Whether references to types are wanted too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Types {
    Too,
    Not,
}

/// The references of each node, or the status with which the server refused it.
pub(super) async fn browse(
    session: &Session,
    nodes: &[Node],
    types: Types,
) -> Result<Vec<Result<Vec<Reference>, u32>>, Fault> {
    if nodes.len() > MOST_NODES {
        return Err(Fault::BadRequest(format!("{} nodes where {MOST_NODES} can be browsed in a call", nodes.len())));
    }
    let ids = resolve(session, nodes).await?;
    session.tell_out(|| format!("browse {} nodes: {}", nodes.len(), nodes.first().map(node::show).unwrap_or_default()));
    let known: Vec<NodeId> = ids.iter().flatten().cloned().collect();
    let mut browsing = Browsing { session, references: 0 };
    let mut found = browsing.follow(&known, HIERARCHICAL).await?;
    if types == Types::Too {
        let definitions = browsing.follow(&known, HAS_TYPE_DEFINITION).await?;
        for (found, more) in found.iter_mut().zip(definitions) {
            if let (Ok(found), Ok(more)) = (found, more) {
                found.extend(more);
            }
        }
    }
    let namespaces = namespaces_of(session, &found).await?;
    let mut found = found.into_iter();
    let answer = |id: &Option<NodeId>| match id {
        None => Err(UNKNOWN_NODE.bits()),
        Some(_) => match found.next().unwrap_or(Err(UNKNOWN_NODE)) {
            Ok(references) => Ok(made(references, types, &namespaces)),
            Err(status) => Err(status.bits()),
        },
    };
    let answers: Vec<Result<Vec<Reference>, u32>> = ids.iter().map(answer).collect();
    session.tell_nodes(|| {
        let refused = answers.iter().find_map(|answer| answer.as_ref().err());
        let refused = refused.map(|status| format!(", some refused: {}", status_text(*status))).unwrap_or_default();
        let words = format!("{} references of {} nodes{refused}", browsing.references, known.len());
        let below = nodes.iter().zip(&answers).flat_map(|(node, answer)| {
            answer.as_ref().map(|references| seen::below(node, references)).unwrap_or_default()
        });
        (words, below.collect())
    });
    Ok(answers)
}

/// The server's names of nodes; none for those in a namespace that it does not have.
pub(super) async fn resolve(session: &Session, nodes: &[Node]) -> Result<Vec<Option<NodeId>>, Fault> {
    let mut namespaces = session.namespaces();
    let mut is_fresh = false;
    let mut ids = Vec::with_capacity(nodes.len());
    for node in nodes {
        let id = match namespaces.to_server(node) {
            // The server may have got it since the session began.
            Err(NodeError::UnknownNamespace(_)) if !is_fresh => {
                (namespaces, is_fresh) = (session.read_namespaces().await?, true);
                namespaces.to_server(node)
            }
            id => id,
        };
        ids.push(match id {
            Ok(id) => Some(id),
            Err(error @ NodeError::UnknownNamespace(_)) => {
                session.tell_out(|| format!("{}: {error}", node::show(node)));
                None
            }
            Err(error @ NodeError::Malformed(..)) => return Err(Fault::BadRequest(error.to_string())),
        });
    }
    Ok(ids)
}

/// The namespaces, read again when a reference leads into one that the session does not know yet.
async fn namespaces_of(session: &Session, found: &[Found]) -> Result<std::sync::Arc<Namespaces>, Fault> {
    let namespaces = session.namespaces();
    let mut references = found.iter().flatten().flatten();
    let is_new = references.any(|reference| {
        !namespaces.has(reference.node_id.node_id.namespace) || !namespaces.has(reference.browse_name.namespace_index)
    });
    if is_new { session.read_namespaces().await } else { Ok(namespaces) }
}

fn made(references: Vec<ReferenceDescription>, types: Types, namespaces: &Namespaces) -> Vec<Reference> {
    let is_subtype = |reference: &ReferenceDescription| reference.reference_type_id == NodeId::new(0, HAS_SUBTYPE);
    let wanted = |reference: &ReferenceDescription| {
        // What another server has cannot be reached over this session.
        reference.node_id.server_index == 0 && (types == Types::Too || !is_subtype(reference))
    };
    references.into_iter().filter(wanted).map(|reference| one(&reference, namespaces)).collect()
}

fn one(reference: &ReferenceDescription, namespaces: &Namespaces) -> Reference {
    let type_definition = match &reference.type_definition {
        id if id.node_id.is_null() => Node { namespace: String::new(), identifier: String::new() },
        id => namespaces.expanded(id),
    };
    Reference {
        target: namespaces.expanded(&reference.node_id),
        browse_namespace: namespaces.uri(reference.browse_name.namespace_index),
        browse_name: reference.browse_name.name.as_ref().to_owned(),
        display_name: reference.display_name.text.as_ref().to_owned(),
        node_class: u32::try_from(reference.node_class as i32).unwrap_or_default(),
        type_definition,
        reference_type: namespaces.to_plugin(&reference.reference_type_id),
    }
}

/// One call's browsing.
struct Browsing<'a> {
    session: &'a Session,
    references: usize,
}

impl Browsing<'_> {
    /// Follows one kind of reference from each node, and the kinds derived from it.
    async fn follow(&mut self, nodes: &[NodeId], kind: u32) -> Result<Vec<Found>, Fault> {
        let mut all = Vec::with_capacity(nodes.len());
        for chunk in nodes.chunks(self.session.limits.browse) {
            let mut found = self.page(chunk, kind).await?;
            // A server has so many continuation points and no more: what it could not begin is begun alone.
            for (node, found) in chunk.iter().zip(&mut found) {
                if *found == Err(StatusCode::BadNoContinuationPoints)
                    && let Some(again) = self.page(std::slice::from_ref(node), kind).await?.pop()
                {
                    *found = again;
                }
            }
            all.extend(found);
        }
        Ok(all)
    }

    async fn page(&mut self, nodes: &[NodeId], kind: u32) -> Result<Vec<Found>, Fault> {
        let describe = |node_id: &NodeId| BrowseDescription {
            node_id: node_id.clone(),
            browse_direction: BrowseDirection::Forward,
            reference_type_id: NodeId::new(0, kind),
            include_subtypes: true,
            node_class_mask: 0,
            result_mask: ALL_FIELDS,
        };
        let request = BrowseRequest {
            request_header: self.session.header(),
            view: ViewDescription::default(),
            requested_max_references_per_node: PAGE,
            nodes_to_browse: Some(nodes.iter().map(describe).collect()),
        };
        let results = match self.session.ask(request).await? {
            ResponseMessage::Browse(response) => answers(response.results, nodes.len())?,
            other => return Err(unexpected(&other)),
        };
        let mut found: Vec<Found> = Vec::with_capacity(nodes.len());
        // Nodes of which there is more, and where each goes on.
        let mut open: Vec<(usize, ByteString)> = Vec::new();
        for (at, result) in results.into_iter().enumerate() {
            let (one, point) = split(result);
            open.extend(point.map(|point| (at, point)));
            found.push(one);
        }
        while !open.is_empty() {
            self.count(&found, &open).await?;
            open = self.next(&mut found, open).await?;
        }
        self.references += found.iter().flatten().map(Vec::len).sum::<usize>();
        self.within(self.references)?;
        Ok(found)
    }

    async fn next(
        &self,
        found: &mut [Found],
        open: Vec<(usize, ByteString)>,
    ) -> Result<Vec<(usize, ByteString)>, Fault> {
        let mut still = Vec::new();
        for chunk in open.chunks(self.session.limits.browse) {
            let results = self.go_on(chunk, false).await?;
            for ((at, _), result) in chunk.iter().zip(answers(results, chunk.len())?) {
                let (more, point) = split(result);
                still.extend(point.map(|point| (*at, point)));
                match (found.get_mut(*at), more) {
                    (Some(Ok(found)), Ok(more)) => found.extend(more),
                    (Some(found), Err(status)) => *found = Err(status),
                    _ => {}
                }
            }
        }
        Ok(still)
    }

    /// Refuses an answer that grows too large, and has the server forget where it would go on.
    async fn count(&self, found: &[Found], open: &[(usize, ByteString)]) -> Result<(), Fault> {
        let references = self.references + found.iter().flatten().map(Vec::len).sum::<usize>();
        if let Err(fault) = self.within(references) {
            self.go_on(open, true).await?;
            return Err(fault);
        }
        Ok(())
    }

    fn within(&self, references: usize) -> Result<(), Fault> {
        if references > MOST_REFERENCES {
            let text = format!("more than {MOST_REFERENCES} references in one answer: browse fewer nodes in a call");
            return Err(Fault::BadRequest(text));
        }
        Ok(())
    }

    async fn go_on(&self, points: &[(usize, ByteString)], release: bool) -> Result<Option<Vec<BrowseResult>>, Fault> {
        let request = BrowseNextRequest {
            request_header: self.session.header(),
            release_continuation_points: release,
            continuation_points: Some(points.iter().map(|(_, point)| point.clone()).collect()),
        };
        match self.session.ask(request).await? {
            ResponseMessage::BrowseNext(response) => Ok(response.results),
            other => Err(unexpected(&other)),
        }
    }
}

fn split(result: BrowseResult) -> (Found, Option<ByteString>) {
    if result.status_code.is_bad() {
        return (Err(result.status_code), None);
    }
    let point = Some(result.continuation_point).filter(|point| !point.is_null_or_empty());
    (Ok(result.references.unwrap_or_default()), point)
}
