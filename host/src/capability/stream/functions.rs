//! The functions of `tutin:stream` as a guest calls them. Every argument is hostile until checked.

use std::time::Duration;

use wasmtime::component::Resource;

use super::bindings::tutin::stream::client::{self, Error, Host, HostLink};
use super::link::Link;
use super::rule::{Echo, Exchange, Framing, Length, Notation, StreamError};
use super::seat::Unasked;
use crate::capability::{self, Guest};

type Answer<T> = wasmtime::Result<Result<T, Error>>;

impl From<StreamError> for Error {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::Timeout(_) => Error::Timeout,
            StreamError::Closed(reason) => Error::Closed(reason),
            StreamError::BadRequest(text) => Error::BadRequest(text),
            StreamError::BadResponse(text) => Error::BadResponse(text),
        }
    }
}

impl TryFrom<client::Framing> for Framing {
    type Error = StreamError;

    fn try_from(rule: client::Framing) -> Result<Self, StreamError> {
        let client::Framing { starts, ends, trailer, length, gap_ms, longest } = rule;
        let length = length.map(|client::LengthRule { offset, width, notation, extra }| {
            let notation = Notation::of(notation)?;
            Ok(Length { offset: offset.into(), width: width.into(), notation, extra: extra.into() })
        });
        let longest = usize::try_from(longest).unwrap_or(usize::MAX);
        let (length, gap) = (length.transpose()?, span(gap_ms));
        Framing { starts, ends, trailer: trailer.into(), length, gap, longest }.checked()
    }
}

impl TryFrom<client::Exchange> for Exchange {
    type Error = StreamError;

    fn try_from(reply: client::Exchange) -> Result<Self, StreamError> {
        let client::Exchange { echo, begins, frames, quiet_ms, timeout_ms } = reply;
        let frames = usize::try_from(frames).unwrap_or(usize::MAX);
        let echo = Echo::of(echo)?;
        Exchange { echo, begins, frames, quiet: span(quiet_ms), timeout: span(timeout_ms) }.checked()
    }
}

/// Milliseconds as the contract writes them: 0 is none.
fn span(millis: u32) -> Option<Duration> {
    (millis > 0).then(|| Duration::from_millis(millis.into()))
}

impl Guest {
    fn stream(&self, link: &Resource<Link>) -> wasmtime::Result<Link> {
        Ok(self.table.get(link)?.clone())
    }
}

impl Host for Guest {}

impl HostLink for Guest {
    async fn open(&mut self, name: String) -> Answer<Resource<Link>> {
        self.usage.host_call()?;
        let opened = self.open_link("stream", &name, |link| match link {
            capability::Link::Stream(link) => Some(link),
            _ => None,
        })?;
        Ok(opened.map_err(Error::BadRequest))
    }

    async fn frames(&mut self, link: Resource<Link>, rule: client::Framing, wake: bool) -> Answer<()> {
        self.usage.host_call()?;
        let link = self.stream(&link)?;
        let unasked = if wake { Unasked::Wakes } else { Unasked::Waits };
        Ok(Framing::try_from(rule).and_then(|rule| link.frames(rule, unasked)).map_err(Error::from))
    }

    async fn request(&mut self, link: Resource<Link>, bytes: Vec<u8>, reply: client::Exchange) -> Answer<Vec<Vec<u8>>> {
        self.usage.host_call()?;
        let link = self.stream(&link)?;
        let exchange = match Exchange::try_from(reply) {
            Ok(exchange) => exchange,
            Err(error) => return Ok(Err(error.into())),
        };
        let answer = link.request(bytes, exchange).await;
        self.usage.waited();
        Ok(answer.map_err(Error::from))
    }

    async fn send(&mut self, link: Resource<Link>, bytes: Vec<u8>) -> Answer<()> {
        self.usage.host_call()?;
        let link = self.stream(&link)?;
        let answer = link.send(bytes).await;
        self.usage.waited();
        Ok(answer.map_err(Error::from))
    }

    async fn send_when_kept(&mut self, link: Resource<Link>, bytes: Vec<u8>) -> Answer<()> {
        self.usage.host_call()?;
        Ok(self.stream(&link)?.send_when_kept(bytes).map_err(Error::from))
    }

    async fn receive(&mut self, link: Resource<Link>, most: u32) -> Answer<client::Incoming> {
        self.usage.host_call()?;
        let link = self.stream(&link)?;
        let incoming = link.receive(usize::try_from(most).unwrap_or(usize::MAX));
        let presence = link.presence();
        let frame = |frame: super::Frame| client::Frame { bytes: frame.bytes, at: self.came_at(frame.at) };
        self.usage.meter().dropped_messages(incoming.dropped);
        Ok(Ok(client::Incoming {
            frames: incoming.frames.into_iter().map(frame).collect(),
            dropped: incoming.dropped,
            more: incoming.more,
            connected: presence.is_open,
            connection: presence.count,
        }))
    }

    async fn drop(&mut self, link: Resource<Link>) -> wasmtime::Result<()> {
        self.table.delete(link)?;
        Ok(())
    }
}
