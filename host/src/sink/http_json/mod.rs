//! JSON over HTTP: an object or an array per request, confirmed by the answer that the configuration names.
//!
//! A far end that refuses an array says nothing about its records one by one. The sink then halves the array until
//! the refused record stands alone, so that its neighbours arrive.
//!
//! Invariant: a record is accepted only on a status that the rule lists and, where the rule has a pointer, on what
//! it points at. Redirects are never followed: what an unnamed server says is no acknowledgement.

mod answer;
mod encode;
mod peer;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use self::answer::Rule;
use self::encode::{array_body, array_key, object_body};
use self::peer::Peer;
use super::payload::Encoder;
use super::{BuildError, Outcome, Record, Sink};
use crate::config::model::{Body, HttpJson};

/// The sink of `type = "http_json"`.
#[derive(Debug)]
pub struct HttpJsonSink {
    encoder: Encoder,
    peer: Peer,
    rule: Rule,
    body: Body,
    most: usize,
    limit: Duration,
    /// Fewer than `most` after a refused array whose halving took too long for one attempt.
    cautious_most: usize,
    partly_sent: Option<PartlySent>,
}

/// How far a record came that needs several requests, so that a retry goes on where it was.
#[derive(Debug)]
struct PartlySent {
    key: Arc<str>,
    objects: usize,
    first_rejection: Option<String>,
}

impl HttpJsonSink {
    /// A sink for this hub. Connects with the first delivery. `limit` is the time of one attempt, `most` the records of
    /// one.
    pub fn new(hub: &str, config: &HttpJson, most: usize, limit: Duration) -> Result<Self, BuildError> {
        Ok(HttpJsonSink {
            encoder: Encoder::new(hub, config.shape, &config.fields)?,
            peer: Peer::new(config)?,
            rule: Rule::new(&config.acknowledge),
            body: config.body,
            most: most.max(1),
            limit,
            cautious_most: most.max(1),
            partly_sent: None,
        })
    }

    async fn send(&self, key: &str, body: Vec<u8>) -> Outcome {
        match self.peer.send(key, body).await {
            Ok(reply) => self.rule.judge(&reply),
            Err(err) => Outcome::Retry { reason: err.to_string() },
        }
    }

    /// All records in one request; when the far end refuses it, in smaller ones. One outcome per record.
    async fn deliver_arrays(&mut self, records: &[Record]) -> Vec<Outcome> {
        let begin = Instant::now();
        let mut outcomes = Vec::with_capacity(records.len());
        let mut parts = VecDeque::from([records]);
        let mut retry_reason = String::from("the array was refused, and time is up to try its records alone");
        while let Some(part) = parts.pop_front() {
            let is_first = outcomes.is_empty() && part.len() == records.len();
            if !is_first && begin.elapsed() > self.limit / 2 {
                self.cautious_most = (part.len() / 2).max(1);
                break;
            }
            let outcome = match array_body(&self.encoder, part) {
                Some(body) => self.send(&array_key(part), body).await,
                None => nothing_to_send(),
            };
            match (outcome, part.len()) {
                (Outcome::Retry { reason }, _) => {
                    retry_reason = reason;
                    break;
                }
                (Outcome::Rejected { .. }, 2..) => {
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.push_front(second);
                    parts.push_front(first);
                }
                (outcome, count) => {
                    self.cautious_most = self.cautious_most.saturating_mul(2).min(self.most);
                    outcomes.extend(std::iter::repeat_n(outcome, count));
                }
            }
        }
        outcomes.resize(records.len(), Outcome::Retry { reason: retry_reason });
        outcomes
    }

    /// One request per object of the record.
    async fn deliver_objects(&mut self, record: &Record) -> Outcome {
        let mut sent = match self.partly_sent.take() {
            Some(sent) if sent.key == record.key => sent,
            _ => PartlySent { key: Arc::clone(&record.key), objects: 0, first_rejection: None },
        };
        let mut last = nothing_to_send();
        let items = self.encoder.items(record);
        for item in items.iter().skip(sent.objects) {
            last = self.send(&item.key(), object_body(&self.encoder, item)).await;
            match &last {
                Outcome::Retry { .. } => {
                    self.partly_sent = Some(sent);
                    return last;
                }
                Outcome::Rejected { reason } if items.len() > 1 => {
                    sent.first_rejection.get_or_insert_with(|| format!("{}: {reason}", item.key()));
                }
                Outcome::Rejected { .. } | Outcome::Accepted { .. } => {}
            }
            sent.objects += 1;
        }
        match sent.first_rejection {
            Some(reason) => Outcome::Rejected { reason },
            None => last,
        }
    }
}

impl Sink for HttpJsonSink {
    async fn deliver(&mut self, records: &[Record]) -> Vec<Outcome> {
        match self.body {
            Body::Array => self.deliver_arrays(records).await,
            Body::Object => {
                let mut outcomes = Vec::with_capacity(records.len());
                for record in records {
                    let outcome = self.deliver_objects(record).await;
                    let must_wait = matches!(outcome, Outcome::Retry { .. });
                    outcomes.push(outcome);
                    if must_wait {
                        break;
                    }
                }
                let waits = Outcome::Retry { reason: "an earlier record must be delivered first".into() };
                outcomes.resize(records.len(), waits);
                outcomes
            }
        }
    }

    fn batch(&self) -> usize {
        match self.body {
            Body::Array => self.cautious_most,
            // One answer settles one record: a longer batch could use up the time of the attempt and be sent again
            // whole.
            Body::Object => 1,
        }
    }

    fn timeout(&self) -> Duration {
        self.limit
    }

    async fn close(&mut self) {}
}

fn nothing_to_send() -> Outcome {
    Outcome::Accepted { answer: "nothing to send".into() }
}
