//! The built-in sinks: one line each.

use std::time::Duration;

use super::file::FileSink;
use super::http_json::HttpJsonSink;
use super::mqtt::{MqttSink, TopicError};
use super::payload::FieldMapError;
use super::{Outcome, Record, Sink};
use crate::config::model::{self, SinkKind};
use crate::tls::TlsError;

/// Why a sink cannot be made from its configuration. None of it mends itself: the configuration has to change.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The address is of no kind that the sink can reach.
    #[error("not an address for this sink: {url}")]
    Url {
        /// As configured.
        url: String,
    },
    /// HTTP does not allow it.
    #[error("not a header name: {name:?}")]
    HeaderName {
        /// As configured.
        name: String,
    },
    /// HTTP does not allow it. The value is not shown.
    #[error("the value of header {name} holds characters that no header can")]
    HeaderValue {
        /// The header.
        name: String,
    },
    /// The authorities to trust cannot be read.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The HTTP library refuses.
    #[error("cannot set up the HTTP client")]
    Http(#[source] reqwest::Error),
    /// The field map.
    #[error("fields: {0}")]
    Fields(#[from] FieldMapError),
    /// The topic template.
    #[error("topic: {0}")]
    Topic(#[from] TopicError),
    /// The operating system gives no thread to the sink.
    #[error("cannot start the writer")]
    Thread(#[source] std::io::Error),
}

/// Any of the built-in sinks.
#[derive(Debug)]
#[expect(missing_docs, reason = "the names are those of `SinkKind`")]
pub enum Built {
    HttpJson(Box<HttpJsonSink>),
    File(Box<FileSink>),
    Mqtt(Box<MqttSink>),
}

impl Built {
    /// The sink that the section describes, for the hub of this name. Nothing is opened or connected yet.
    pub fn from_config(hub: &str, sink: &model::Sink) -> Result<Self, BuildError> {
        let (most, limit) = (sink.delivery.batch, sink.delivery.timeout);
        Ok(match &sink.kind {
            SinkKind::HttpJson(config) => Built::HttpJson(Box::new(HttpJsonSink::new(hub, config, most, limit)?)),
            SinkKind::File(config) => Built::File(Box::new(FileSink::new(hub, config, most, limit)?)),
            SinkKind::Mqtt(config) => Built::Mqtt(Box::new(MqttSink::new(hub, config, most, limit)?)),
        })
    }
}

impl Sink for Built {
    async fn deliver(&mut self, records: &[Record]) -> Vec<Outcome> {
        match self {
            Built::HttpJson(sink) => sink.deliver(records).await,
            Built::File(sink) => sink.deliver(records).await,
            Built::Mqtt(sink) => sink.deliver(records).await,
        }
    }

    fn batch(&self) -> usize {
        match self {
            Built::HttpJson(sink) => sink.batch(),
            Built::File(sink) => sink.batch(),
            Built::Mqtt(sink) => sink.batch(),
        }
    }

    fn timeout(&self) -> Duration {
        match self {
            Built::HttpJson(sink) => sink.timeout(),
            Built::File(sink) => sink.timeout(),
            Built::Mqtt(sink) => sink.timeout(),
        }
    }

    async fn close(&mut self) {
        match self {
            Built::HttpJson(sink) => sink.close().await,
            Built::File(sink) => sink.close().await,
            Built::Mqtt(sink) => sink.close().await,
        }
    }
}
