//! One connection, from HEL to its end.

use std::collections::VecDeque;
use std::time::Duration;

use opcua::core::{RequestMessage, ResponseMessage};
use opcua::types::{
    ByteString, ChannelSecurityToken, DateTime, MessageSecurityMode, NodeId, OpenSecureChannelRequest,
    OpenSecureChannelResponse, PublishResponse, RequestHeader, ResponseHeader, ServiceFault, StatusCode,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tracing::debug;

use super::frame::{Frames, Incoming};
use super::services::Reply;
use super::state::State;

/// Longest life of a channel's token.
const TOKEN_LIFETIME_MS: u32 = 3_600_000;
/// Most requests to publish that wait.
const MOST_WAITING: usize = 100;
/// How long nothing at all needs to be looked at.
const LONG: Duration = Duration::from_secs(3600);

/// Serves one client until it goes or says what is no OPC UA.
pub(super) async fn serve(stream: TcpStream, state: watch::Sender<State>) {
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "answers may wait for more to send");
    }
    let mut number = 0;
    state.send_if_modified(|state| {
        number = state.number();
        false
    });
    let connection =
        Connection { number: number.into(), state: &state, frames: Frames::new(number), waiting: VecDeque::new() };
    if let Err(reason) = connection.run(stream).await {
        debug!(reason, "a connection to a simulated OPC UA server ended");
    }
    state.send_modify(|state| state.leave(number.into()));
}

struct Connection<'a> {
    number: u64,
    state: &'a watch::Sender<State>,
    frames: Frames,
    /// Requests to publish.
    waiting: VecDeque<Waiting>,
}

struct Waiting {
    request: u32,
    header: RequestHeader,
    results: Vec<StatusCode>,
}

impl Connection<'_> {
    async fn run(mut self, mut stream: TcpStream) -> Result<(), String> {
        let (mut reader, mut writer) = stream.split();
        let mut changes = self.state.subscribe();
        loop {
            loop {
                match self.frames.next() {
                    Ok(None) => break,
                    Ok(Some(Incoming::Hello)) => {}
                    Ok(Some(Incoming::Close)) => return Ok(()),
                    Ok(Some(Incoming::Request(request, message))) => self.handle(request, *message)?,
                    Err(reason) => {
                        self.frames.error(StatusCode::BadTcpMessageTypeInvalid, &reason);
                        // It is left in any case.
                        let _ = writer.write_all_buf(&mut self.frames.output).await;
                        return Err(reason);
                    }
                }
            }
            changes.mark_unchanged();
            for (request, message) in self.unparked() {
                self.handle(request, message)?;
            }
            let due = self.publish()?;
            let has_output = !self.frames.output.is_empty();
            // Each branch may be lost: bytes that were read or written are in the buffers by then.
            tokio::select! {
                biased;
                written = writer.write_buf(&mut self.frames.output), if has_output => {
                    written.map_err(|error| error.to_string())?;
                    if self.frames.output.is_empty() {
                        let number = self.number;
                        self.state.send_if_modified(|state| state.written_out(number));
                    }
                }
                changed = changes.changed() => changed.map_err(|_| "the server has ended".to_owned())?,
                () = sleep_until(due) => {}
                read = reader.read_buf(&mut self.frames.input) => match read {
                    Ok(0) => return Err("the client closed the connection".into()),
                    Ok(_) => {}
                    Err(error) => return Err(error.to_string()),
                },
            }
        }
    }

    fn handle(&mut self, request: u32, message: RequestMessage) -> Result<(), String> {
        let header = message.request_header().clone();
        if let RequestMessage::OpenSecureChannel(open) = message {
            return self.open(request, &open);
        }
        let (number, mut reply) = (self.number, None);
        self.state.send_modify(|state| reply = Some(state.answer(number, request, message, Instant::now())));
        match reply {
            Some(Reply::Now(answer)) => self.frames.answer(request, &answer),
            Some(Reply::Later(_)) if self.waiting.len() >= MOST_WAITING => {
                let fault = ServiceFault::new(&header, StatusCode::BadTooManyPublishRequests);
                self.frames.answer(request, &fault.into())
            }
            Some(Reply::Later(results)) => {
                self.waiting.push_back(Waiting { request, header, results });
                Ok(())
            }
            Some(Reply::Parked) | None => Ok(()),
        }
    }

    fn unparked(&self) -> Vec<(u32, RequestMessage)> {
        let mut unparked = Vec::new();
        self.state.send_if_modified(|state| {
            unparked = state.unpark(self.number);
            false
        });
        unparked
    }

    /// Opens the channel, or gives it a new token.
    fn open(&mut self, request: u32, open: &OpenSecureChannelRequest) -> Result<(), String> {
        if open.security_mode != MessageSecurityMode::None {
            let fault = ServiceFault::new(&open.request_header, StatusCode::BadSecurityModeRejected);
            return self.frames.answer(request, &fault.into());
        }
        self.frames.token = self.frames.token.wrapping_add(1);
        let answer = OpenSecureChannelResponse {
            response_header: ResponseHeader::new_good(&open.request_header),
            server_protocol_version: 0,
            security_token: ChannelSecurityToken {
                channel_id: self.frames.channel,
                token_id: self.frames.token,
                created_at: DateTime::now(),
                revised_lifetime: open.requested_lifetime.clamp(1, TOKEN_LIFETIME_MS),
            },
            server_nonce: ByteString::null(),
        };
        self.frames.answer(request, &answer.into())
    }

    /// Answers requests to publish with what there is. Returns when to look again.
    fn publish(&mut self) -> Result<Instant, String> {
        let now = Instant::now();
        let mut due = now + LONG;
        while let Some(Waiting { request, header, results }) = self.waiting.pop_front() {
            let token: &NodeId = &header.authentication_token;
            let (number, mut found) = (self.number, Ok(None));
            self.state.send_if_modified(|state| {
                found = state.publish(number, token, now);
                // Nobody but this connection waits for what it took.
                false
            });
            let answer: ResponseMessage = match found {
                Ok(Some(published)) => PublishResponse {
                    response_header: ResponseHeader::new_good(&header),
                    subscription_id: published.subscription,
                    available_sequence_numbers: Some(published.available),
                    more_notifications: published.has_more,
                    notification_message: published.message,
                    results: Some(results),
                    diagnostic_infos: None,
                }
                .into(),
                Ok(None) => {
                    due = self.state.borrow().due(token).unwrap_or(due);
                    self.waiting.push_front(Waiting { request, header, results });
                    break;
                }
                Err(status) => ServiceFault::new(&header, status).into(),
            };
            self.frames.answer(request, &answer)?;
        }
        Ok(due)
    }
}
