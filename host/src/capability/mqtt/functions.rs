//! The functions of `tutin:mqtt` as a guest calls them. Every argument is hostile until checked.

use wasmtime::component::Resource;

use super::bindings::tutin::mqtt::client::{Error, Host, HostLink, Incoming, Message};
use super::bindings::tutin::mqtt::control;
use super::error::MqttError;
use super::link::Link;
use crate::capability::{self, Guest};

type Answer<T> = wasmtime::Result<Result<T, Error>>;

impl From<MqttError> for Error {
    fn from(error: MqttError) -> Self {
        match error {
            MqttError::Closed(reason) => Error::Closed(reason),
            MqttError::BadRequest(text) => Error::BadRequest(text),
            MqttError::Other(text) => Error::Other(text),
        }
    }
}

impl Guest {
    fn mqtt(&self, link: &Resource<Link>) -> wasmtime::Result<Link> {
        Ok(self.table.get(link)?.clone())
    }
}

impl Host for Guest {}

impl HostLink for Guest {
    async fn open(&mut self, name: String) -> Answer<Resource<Link>> {
        self.usage.host_call()?;
        let opened = self.open_link("MQTT", &name, |link| match link {
            capability::Link::Mqtt(link) => Some(link),
            _ => None,
        })?;
        Ok(opened.map_err(Error::BadRequest))
    }

    async fn granted(&mut self, link: Resource<Link>) -> wasmtime::Result<Vec<String>> {
        self.usage.host_call()?;
        Ok(self.mqtt(&link)?.granted().to_vec())
    }

    async fn subscribe(&mut self, link: Resource<Link>, filters: Vec<String>, qos: u8) -> Answer<()> {
        self.usage.host_call()?;
        Ok(self.mqtt(&link)?.subscribe(&filters, qos).map_err(Error::from))
    }

    async fn receive(&mut self, link: Resource<Link>, most: u32) -> Answer<Incoming> {
        self.usage.host_call()?;
        let received = match self.mqtt(&link)?.receive(most) {
            Ok(received) => received,
            Err(error) => return Ok(Err(error.into())),
        };
        let messages = received.handed.messages.iter().map(|(message, again)| Message {
            topic: message.topic.clone(),
            payload: message.payload.to_vec(),
            retained: message.is_retained,
            again: *again || message.is_dup,
            at: self.came_at(message.at),
        });
        self.usage.meter().dropped_messages(received.handed.dropped);
        Ok(Ok(Incoming {
            messages: messages.collect(),
            dropped: received.handed.dropped,
            more: received.handed.more,
            connected: received.is_connected,
            connection: received.connection,
        }))
    }

    async fn drop(&mut self, link: Resource<Link>) -> wasmtime::Result<()> {
        self.table.delete(link)?;
        Ok(())
    }
}

impl control::Host for Guest {
    async fn publish(
        &mut self,
        link: Resource<Link>,
        topic: String,
        payload: Vec<u8>,
        qos: u8,
        retain: bool,
    ) -> Answer<()> {
        self.usage.host_call()?;
        let link = self.mqtt(&link)?;
        let answer = link.publish(topic, payload, qos, retain).await;
        self.usage.waited();
        Ok(answer.map_err(Error::from))
    }
}
