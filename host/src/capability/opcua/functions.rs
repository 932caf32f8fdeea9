//! The functions of `tutin:opcua` as a guest calls them. Every argument is hostile until checked.

use std::future::Future;
use std::sync::Arc;

use wasmtime::component::Resource;

use super::bindings::tutin::opcua::client::{
    DataValue, Error, History, Host, HostLink, Incoming, Node, Reference, Value,
};
use super::bindings::tutin::opcua::control;
use super::browse::{Types, browse};
use super::fault::Fault;
use super::link::Link;
use super::reading::{self, Stretch};
use super::session::Session;
use super::{changing, reading::read};
use crate::capability::{self, Guest};

type Answer<T> = wasmtime::Result<Result<T, Error>>;

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Timeout => Error::Timeout,
            Fault::Closed(reason) => Error::Closed(reason),
            Fault::Status(status) => Error::Status(status),
            Fault::BadRequest(text) => Error::BadRequest(text),
            Fault::Other(text) => Error::Other(text),
        }
    }
}

impl Guest {
    fn opcua(&self, link: &Resource<Link>) -> wasmtime::Result<Link> {
        Ok(self.table.get(link)?.clone())
    }

    /// Does something over the link's session.
    async fn over<T, F: Future<Output = Result<T, Fault>>>(
        &mut self,
        link: &Resource<Link>,
        work: impl FnOnce(Arc<Session>) -> F,
    ) -> Answer<T> {
        let link = self.opcua(link)?;
        let answer = async { work(link.session().await?).await }.await;
        self.usage.waited();
        Ok(answer.map_err(Error::from))
    }
}

impl Host for Guest {}

impl HostLink for Guest {
    async fn open(&mut self, name: String) -> Answer<Resource<Link>> {
        self.usage.host_call()?;
        let opened = self.open_link("OPC UA", &name, |link| match link {
            capability::Link::OpcUa(link) => Some(link),
            _ => None,
        })?;
        Ok(opened.map_err(Error::BadRequest))
    }

    async fn namespaces(&mut self, link: Resource<Link>) -> Answer<Vec<String>> {
        self.usage.host_call()?;
        self.over(&link, async |session| Ok(session.namespaces().uris().to_vec())).await
    }

    async fn browse(
        &mut self,
        link: Resource<Link>,
        nodes: Vec<Node>,
        types: bool,
    ) -> Answer<Vec<Result<Vec<Reference>, u32>>> {
        self.usage.host_call()?;
        let types = if types { Types::Too } else { Types::Not };
        self.over(&link, async |session| browse(&session, &nodes, types).await).await
    }

    async fn read(&mut self, link: Resource<Link>, nodes: Vec<Node>, attribute: u32) -> Answer<Vec<DataValue>> {
        self.usage.host_call()?;
        self.over(&link, async |session| read(&session, &nodes, attribute).await).await
    }

    async fn subscribe(
        &mut self,
        link: Resource<Link>,
        nodes: Vec<Node>,
        sampling_ms: u32,
        publishing_ms: u32,
        queue: u32,
    ) -> Answer<()> {
        self.usage.host_call()?;
        let link = self.opcua(&link)?;
        Ok(link.subscribe(nodes, sampling_ms, publishing_ms, queue).map_err(Error::from))
    }

    async fn receive(&mut self, link: Resource<Link>, most: u32) -> Answer<Incoming> {
        self.usage.host_call()?;
        let incoming = self.opcua(&link)?.receive(most);
        self.usage.meter().dropped_messages(incoming.lost);
        Ok(Ok(incoming))
    }

    async fn history(
        &mut self,
        link: Resource<Link>,
        node: Node,
        begin: i64,
        end: i64,
        most: u32,
        next: Vec<u8>,
    ) -> Answer<History> {
        self.usage.host_call()?;
        let stretch = Stretch { node, begin, end, most, next };
        self.over(&link, async |session| reading::history(&session, stretch).await).await
    }

    async fn drop(&mut self, link: Resource<Link>) -> wasmtime::Result<()> {
        self.table.delete(link)?;
        Ok(())
    }
}

impl control::Host for Guest {
    async fn call(
        &mut self,
        link: Resource<Link>,
        object: Node,
        method: Node,
        arguments: Vec<Value>,
    ) -> Answer<Vec<Value>> {
        self.usage.host_call()?;
        self.over(&link, async |session| changing::call(&session, &object, &method, &arguments).await).await
    }

    async fn write(&mut self, link: Resource<Link>, node: Node, value: Value) -> Answer<()> {
        self.usage.host_call()?;
        self.over(&link, async |session| changing::write(&session, &node, &value).await).await
    }
}
