//! The broker: one connection at a time, driven by a task that ends with it.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use rumqttc::{
    AsyncClient, ConnAck, Event, EventLoop, MqttOptions, NetworkOptions, Packet, PublishNotice, PublishOptions, QoS,
    TlsConfiguration, Transport,
};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::answer::End;
use super::encode::Message;
use crate::config::model::Mqtt;
use crate::sink::{BuildError, Outcome};
use crate::tls::{self, Identity};

/// Most messages that wait for their PUBACK; the broker may ask for fewer.
pub(super) const IN_FLIGHT: u16 = 100;
/// Longest time for a farewell.
const DISCONNECT: Duration = Duration::from_secs(2);

/// How to reach the broker.
pub(super) struct Peer {
    options: MqttOptions,
}

/// An open connection. Dropped, it closes the socket and forgets every message that was under way.
#[derive(Debug)]
pub(super) struct Connection {
    client: AsyncClient,
    largest_packet: usize,
    state: watch::Receiver<State>,
    task: AbortOnDropHandle<()>,
}

#[derive(Debug, Clone)]
enum State {
    Connecting,
    Up { largest_packet: Option<u32> },
    Ended(End),
}

impl Peer {
    pub(super) fn new(config: &Mqtt) -> Result<Self, BuildError> {
        let not_a_broker = || BuildError::Url { url: config.url.clone() };
        let url = Url::parse(&config.url).map_err(|_| not_a_broker())?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(not_a_broker)?;
        // An IPv6 address stands in brackets in a URL only.
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let (default_port, transport) = match url.scheme() {
            "mqtt" => (1883, Transport::tcp()),
            "mqtts" => {
                let config = Arc::new(tls::client_config(config.ca_file.as_deref(), Identity::NONE)?);
                (8883, Transport::tls_with_config(TlsConfiguration::Rustls(config)))
            }
            _ => return Err(not_a_broker()),
        };
        let mut options = MqttOptions::new(&config.client_id, (host, url.port().unwrap_or(default_port)));
        options.set_transport(transport);
        options.set_clean_start(true);
        options.set_keep_alive(u16::try_from(config.keep_alive.as_secs()).unwrap_or(u16::MAX));
        options.set_outgoing_inflight_upper_limit(IN_FLIGHT);
        // The sink's deadline ends a connection that does not come about; the library's own limit must not be shorter.
        options.set_connect_timeout(Duration::from_secs(600));
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        options.set_network_options(network);
        match (&config.user, &config.password) {
            (Some(user), Some(password)) => {
                options.set_credentials(user, password.expose().trim_end().to_owned());
            }
            (Some(user), None) => {
                options.set_username(user);
            }
            (None, Some(password)) => {
                options.set_password(password.expose().trim_end().to_owned());
            }
            (None, None) => {}
        }
        Ok(Peer { options })
    }

    /// Connects and waits until the broker agrees. Cancel safe: what was begun is closed.
    pub(super) async fn connect(&self) -> Result<Connection, String> {
        let (client, event_loop) = AsyncClient::builder(self.options.clone()).capacity(usize::from(IN_FLIGHT)).build();
        let (state_tx, mut state) = watch::channel(State::Connecting);
        let task = AbortOnDropHandle::new(tokio::spawn(drive(event_loop, state_tx)));
        let answer = state.wait_for(|state| !matches!(state, State::Connecting)).await.map(|state| state.clone());
        match answer {
            Ok(State::Up { largest_packet }) => {
                let largest_packet = largest_packet.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(usize::MAX);
                Ok(Connection { client, largest_packet, state, task })
            }
            Ok(State::Ended(end)) => Err(end.reason),
            Ok(State::Connecting) | Err(_) => Err("the connection ended".into()),
        }
    }
}

impl std::fmt::Debug for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The options hold the password.
        f.debug_struct("Peer").field("broker", self.options.broker()).finish_non_exhaustive()
    }
}

impl Connection {
    /// Why it ended, if it has.
    pub(super) fn end(&self) -> Option<End> {
        match &*self.state.borrow() {
            State::Ended(end) => Some(end.clone()),
            State::Connecting | State::Up { .. } => None,
        }
    }

    /// Waits until it ended, and says why.
    pub(super) async fn wait_for_end(&self) -> End {
        let mut state = self.state.clone();
        match state.wait_for(|state| matches!(state, State::Ended(_))).await.as_deref() {
            Ok(State::Ended(end)) => end.clone(),
            Ok(_) | Err(_) => End { reason: "the connection ended".into(), blames_a_message: false },
        }
    }

    /// Refuses a message that the broker said it will not take: sending it would end the connection.
    pub(super) fn admits(&self, message: &Message) -> Result<(), Outcome> {
        // The packet identifier has its two bytes only once it is known.
        let size = message.publish.size() + 2;
        if size <= self.largest_packet {
            return Ok(());
        }
        let most = self.largest_packet;
        Err(Outcome::Rejected { reason: format!("message of {size} bytes; the broker takes at most {most}") })
    }

    /// Hands the message over to be sent. Waits while too many are unconfirmed.
    pub(super) async fn publish(&self, message: Message) -> Result<PublishNotice, Outcome> {
        let Message { publish, topic } = message;
        let mut options = PublishOptions::new(QoS::AtLeastOnce).retain(publish.retain);
        if let Some(properties) = publish.properties {
            options = options.properties(properties);
        }
        match self.client.publish_tracked(topic, publish.payload, options).await {
            Ok(notice) => Ok(notice),
            Err(rumqttc::ClientError::InvalidRequest(_)) => Err(Outcome::Rejected { reason: "not a topic".into() }),
            Err(_) => Err(Outcome::Retry { reason: self.wait_for_end().await.reason }),
        }
    }

    /// Says goodbye, so that the broker does not take the end for a failure.
    pub(super) async fn close(self) {
        if self.client.disconnect().await.is_ok() {
            // The task ends by itself when the farewell is sent, or is ended with the drop.
            let _ = timeout(DISCONNECT, self.task).await;
        }
    }
}

/// Keeps the connection alive until it ends. There is no second one: what is under way would be sent again by a client
/// that the runner does not know of.
async fn drive(mut event_loop: EventLoop, state: watch::Sender<State>) {
    let end = loop {
        match event_loop.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(ConnAck { properties, .. }))) => {
                let largest_packet = properties.and_then(|properties| properties.max_packet_size);
                state.send_replace(State::Up { largest_packet });
            }
            Ok(_) => {}
            Err(err) => break End::of(&err),
        }
    };
    state.send_replace(State::Ended(end));
}
