//! The bytes under a secure channel: a TCP connection that sends at once, and the clock of the channel's tokens.
//!
//! The library renews a token by the server's clock. An instrument's clock may be hours wrong, and then a token would be renewed at each request, or
//! expire before it is. So a new token is dated by the hub's own clock.

use std::sync::Arc;
use std::time::Duration;

use opcua::client::transport::{
    Connector, RequestRecv, SecureChannelState, StreamConnection, StreamConnector, StreamTransport, Transport,
    TransportConfiguration, TransportPollResult,
};
use opcua::core::comms::tcp_codec::TcpCodec;
use opcua::types::{ChannelSecurityToken, DateTime, DecodingOptions, EndpointDescription, Error, StatusCode};
use tokio::io::{ReadHalf, WriteHalf};
use tokio_util::codec::FramedRead;

use crate::capability::wire::{Io, dial_tcp};
use crate::config::model::TcpPeer;

/// Port of OPC UA where the address names none.
const PORT: u16 = 4840;
/// Largest message, array, text and chunk that are taken. The library's own limits are too small for a big address space.
const LARGEST_MESSAGE: usize = 64 << 20;
const LARGEST_ARRAY: usize = 1_000_000;
const LARGEST_BYTES: usize = 16 << 20;
const CHUNK: usize = 65_536;

/// Lifetime of a secure channel's token. It is renewed after three quarters of it.
pub(super) const TOKEN_LIFETIME: Duration = Duration::from_secs(600);

/// Connects to one address, whatever address the server gives itself.
pub(super) struct Dialer {
    url: String,
    connect_timeout: Duration,
}

/// A connection under a secure channel.
pub(super) struct Line {
    stream: StreamTransport<ReadHalf<Io>, WriteHalf<Io>>,
    channel: Arc<SecureChannelState>,
    token: u32,
}

/// What is taken in at most.
pub(super) fn decoding_options() -> DecodingOptions {
    DecodingOptions {
        max_message_size: LARGEST_MESSAGE,
        max_chunk_count: LARGEST_MESSAGE / CHUNK,
        max_string_length: LARGEST_BYTES,
        max_byte_string_length: LARGEST_BYTES,
        max_array_length: LARGEST_ARRAY,
        ..DecodingOptions::default()
    }
}

/// What is agreed on with the server.
pub(super) fn configuration() -> TransportConfiguration {
    TransportConfiguration {
        send_buffer_size: CHUNK,
        recv_buffer_size: CHUNK,
        max_message_size: LARGEST_MESSAGE,
        max_chunk_count: LARGEST_MESSAGE / CHUNK,
    }
}

/// `host:port` of `opc.tcp://host:port/path`.
pub(super) fn address(url: &str) -> String {
    let rest = url.strip_prefix("opc.tcp://").unwrap_or(url);
    let authority = rest.split(['/', '?']).next().unwrap_or(rest);
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    if has_port { authority.to_owned() } else { format!("{authority}:{PORT}") }
}

impl Dialer {
    pub(super) fn new(url: &str, connect_timeout: Duration) -> Self {
        Dialer { url: url.to_owned(), connect_timeout }
    }
}

impl Connector for Dialer {
    type Transport = Line;

    async fn connect(
        &self,
        channel: Arc<SecureChannelState>,
        outgoing: RequestRecv,
        config: TransportConfiguration,
    ) -> Result<Line, Error> {
        let peer = TcpPeer { address: address(&self.url), connect_timeout: self.connect_timeout, tls: None };
        let dial = move |url: String, options: DecodingOptions| dial(peer.clone(), url, options);
        let stream =
            StreamConnector::new(dial, self.url.clone()).connect(Arc::clone(&channel), outgoing, config).await?;
        Ok(Line { stream, channel, token: 0 })
    }

    fn default_endpoint(&self) -> EndpointDescription {
        EndpointDescription::from(self.url.as_str())
    }
}

async fn dial(
    peer: TcpPeer,
    url: String,
    options: DecodingOptions,
) -> Result<StreamConnection<ReadHalf<Io>, WriteHalf<Io>>, Error> {
    let failed = |error| Error::new(StatusCode::BadCommunicationError, error);
    let (reader, writer) = tokio::io::split(dial_tcp(&peer).await.map_err(failed)?);
    Ok(StreamConnection::new(FramedRead::new(reader, TcpCodec::new(options)), writer, url))
}

impl Transport for Line {
    async fn poll(&mut self) -> TransportPollResult {
        let result = self.stream.poll().await;
        if matches!(result, TransportPollResult::IncomingMessage) {
            self.date_token();
        }
        result
    }

    fn connected_url(&self) -> &str {
        self.stream.connected_url()
    }
}

impl Line {
    /// Dates a new token by the hub's clock.
    fn date_token(&mut self) {
        let (channel_id, token_id) = {
            let channel = self.channel.secure_channel().read();
            (channel.secure_channel_id(), channel.token_id())
        };
        if token_id == self.token || token_id == 0 {
            return;
        }
        self.token = token_id;
        let mut channel = self.channel.secure_channel().write();
        let revised_lifetime = channel.token_lifetime();
        channel.set_security_token(ChannelSecurityToken {
            channel_id,
            token_id,
            created_at: DateTime::now(),
            revised_lifetime,
        });
    }
}
