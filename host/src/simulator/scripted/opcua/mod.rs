//! A small OPC UA server for one purpose: the one in an analyser, in a case.
//!
//! The [`Server`] has the nodes that it is told of, tells who monitors them of every change, and tells what was written and called. Clients
//! are real ones, over TCP. Messages are read and written by the library that the hub's own client uses; what is done with them is
//! here. The library's server is not used: without a filter of the client it says nothing of a status that changes while the value
//! stays (OPC 10000-4, 7.22.2 wants it said), and it moves source times that lie closer together than the sampling interval.
//!
//! What is simpler than in a server for plants:
//!
//! - No security and nobody but anonymous. The address that it announces is the one that it was asked by, so that something may stand
//!   in between.
//! - A change is told at once, whatever sampling and publishing intervals were asked for. Items have no filters.
//! - A browse answers with all references of a node at once. There is no history and there are no events.
//! - Only what a client needs to find its way stands in the namespace of OPC UA itself: Root, Objects, Server with its namespaces and state.
//!
//! Namespace 0 is OPC UA's, 1 the server's own; those that a case declares count from 2.

mod connection;
mod frame;
mod node;
mod server;
mod services;
mod session;
mod space;
mod state;
mod subscription;

#[cfg(test)]
mod tests;

pub use node::{Kind, Node, Reference, Value};
pub use server::{Server, StartError};
pub use space::{FIRST_NAMESPACE, NodeError};
pub use state::{Called, Written};
