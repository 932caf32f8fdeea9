//! An instrument on a byte stream that answers as it was told: over TCP, where the hub connects or where it connects to the hub.
//!
//! Exchanges come first and in their order; whatever they do not cover is answered from the list of answers, as often as it is asked. A
//! request that is in neither is not answered and is remembered, so that a case can say what the driver sent instead.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::task::AbortOnDropHandle;

use crate::simulator::scripted::frame::bytes;
use crate::simulator::{StartError, door};

/// Silence after which the bytes that came are one request.
pub(crate) const END_OF_REQUEST: Duration = Duration::from_millis(20);
/// Pause before connecting again.
const RECONNECT: Duration = Duration::from_millis(50);

/// What the instrument says to a request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The request, as `frame` writes bytes.
    pub request: String,
    /// Frames of the reply; none: the request is only taken.
    #[serde(default)]
    pub reply: Vec<String>,
    /// Pause before the reply, ms.
    #[serde(default)]
    pub after_ms: u64,
    /// After the reply, or instead of one, the instrument breaks the connection.
    #[serde(default)]
    pub closes: bool,
}

/// One request and its reply, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// What is asked.
    pub request: Vec<u8>,
    /// What is answered.
    pub reply: Vec<u8>,
    /// The pause between.
    pub pause: Duration,
    /// What becomes of the connection.
    pub then: Then,
}

/// What becomes of a connection after a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// It stays.
    Stays,
    /// The instrument breaks it.
    Breaks,
}

/// The instrument. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Line {
    shared: Arc<Shared>,
}

/// A line that is open; dropping it ends it.
#[derive(Debug)]
pub struct Open {
    /// Where it listens; of one that connects, where to.
    pub address: SocketAddr,
    _task: AbortOnDropHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    script: Mutex<Script>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Script {
    /// Replies of a request that was given more than one are used in turn.
    answers: HashMap<Vec<u8>, Vec<Exchange>>,
    turns: HashMap<Vec<u8>, usize>,
    exchanges: VecDeque<Exchange>,
    unexpected: Vec<Vec<u8>>,
    pushed: VecDeque<(Duration, Vec<u8>)>,
    /// What is pushed to each connection when it is made.
    greeting: Vec<(Duration, Vec<u8>)>,
}

/// Whether more bytes of the same request may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    MayCome,
    IsOver,
}

impl Exchange {
    /// A request that is answered at once.
    pub fn new(request: Vec<u8>, reply: Vec<u8>) -> Self {
        Exchange { request, reply, pause: Duration::ZERO, then: Then::Stays }
    }
}

impl From<&Answer> for Exchange {
    fn from(answer: &Answer) -> Self {
        let reply = answer.reply.iter().flat_map(|frame| bytes(frame)).collect();
        Exchange {
            pause: Duration::from_millis(answer.after_ms),
            then: if answer.closes { Then::Breaks } else { Then::Stays },
            ..Exchange::new(bytes(&answer.request), reply)
        }
    }
}

impl Line {
    /// An instrument that gives these answers, and says this by itself, each after a pause, whenever a connection is made.
    pub fn new(answers: impl IntoIterator<Item = Exchange>, greeting: Vec<(Duration, Vec<u8>)>) -> Self {
        let line = Line { shared: Arc::default() };
        line.shared.lock().greeting = greeting;
        for answer in answers {
            line.shared.lock().answers.entry(key(&answer.request)).or_default().push(answer);
        }
        line
    }

    /// Waits for the hub to connect.
    pub async fn listen(&self, address: SocketAddr) -> Result<Open, StartError> {
        let (listener, address) = door::bind(address).await?;
        let shared = Arc::clone(&self.shared);
        let task = tokio::spawn(async move { accept(listener, shared).await });
        Ok(Open { address, _task: AbortOnDropHandle::new(task) })
    }

    /// Connects to the hub, and connects again.
    pub fn connect(&self, address: SocketAddr) -> Open {
        let shared = Arc::clone(&self.shared);
        let task = tokio::spawn(async move {
            loop {
                if let Ok(stream) = TcpStream::connect(address).await {
                    shared.serve(stream).await;
                }
                sleep(RECONNECT).await;
            }
        });
        Open { address, _task: AbortOnDropHandle::new(task) }
    }

    /// From now on these requests are answered so.
    pub fn answer(&self, answers: impl IntoIterator<Item = Exchange>) {
        let mut script = self.shared.lock();
        let mut fresh: HashMap<Vec<u8>, Vec<Exchange>> = HashMap::new();
        for answer in answers {
            fresh.entry(key(&answer.request)).or_default().push(answer);
        }
        for request in fresh.keys() {
            script.turns.remove(request);
        }
        script.answers.extend(fresh);
    }

    /// Next comes exactly this, in this order. What was left of exchanges before is forgotten.
    pub fn expect(&self, exchanges: impl IntoIterator<Item = Exchange>) {
        self.shared.lock().exchanges = exchanges.into_iter().collect();
    }

    /// Says this by itself, now or as soon as there is a connection.
    pub fn push(&self, frame: Vec<u8>) {
        self.shared.lock().pushed.push_back((Duration::ZERO, frame));
        self.shared.news.notify_one();
    }

    /// Whether everything that was pushed is out.
    pub fn is_settled(&self) -> bool {
        self.shared.lock().pushed.is_empty()
    }

    /// Requests that nothing was said about, since the last call.
    pub fn unexpected(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.shared.lock().unexpected)
    }

    /// Whether there are exchanges that did not happen yet.
    pub fn is_owed(&self) -> bool {
        !self.shared.lock().exchanges.is_empty()
    }

    /// Exchanges that did not happen.
    pub fn outstanding(&self) -> Vec<Exchange> {
        std::mem::take(&mut self.shared.lock().exchanges).into()
    }

    /// How many answers were not given yet.
    pub fn untold(&self) -> usize {
        let script = self.shared.lock();
        script.answers.values().map(Vec::len).sum::<usize>() - script.told()
    }

    /// How many answers were given at least once.
    pub fn told(&self) -> usize {
        self.shared.lock().told()
    }

    /// Whether such a request has an answer and was never asked.
    pub fn is_unasked(&self, request: &[u8]) -> bool {
        let (script, key) = (self.shared.lock(), key(request));
        script.answers.contains_key(&key) && !script.turns.contains_key(&key)
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut served = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while served.try_join_next().is_some() {}
        let shared = Arc::clone(&shared);
        served.spawn(async move { shared.serve(stream).await });
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Script> {
        // Nothing in there is left half done by a panic.
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn serve(&self, stream: TcpStream) {
        // However it ends, the other end has seen enough.
        let _ = stream.set_nodelay(true);
        let _ = self.talk(stream).await;
    }

    async fn talk(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let greeting = self.lock().greeting.clone();
        for (pause, frame) in greeting {
            sleep(pause).await;
            stream.write_all(&frame).await?;
        }
        let (mut came, mut buffer) = (Vec::new(), vec![0; 4096]);
        let mut heard_at = Instant::now();
        loop {
            while let Some((pause, frame)) = { self.lock().pushed.front().cloned() } {
                sleep(pause).await;
                stream.write_all(&frame).await?;
                self.lock().pushed.pop_front();
            }
            let rest = tokio::select! {
                () = self.news.notified() => continue,
                () = sleep_until(heard_at + END_OF_REQUEST), if !came.is_empty() => Rest::IsOver,
                count = stream.read(&mut buffer) => {
                    let count = count?;
                    let Some(read) = buffer.get(..count).filter(|read| !read.is_empty()) else { return Ok(()) };
                    came.extend_from_slice(read);
                    heard_at = Instant::now();
                    Rest::MayCome
                }
            };
            while !came.is_empty() {
                let Some(exchange) = self.lock().next(&mut came, rest) else { break };
                sleep(exchange.pause).await;
                stream.write_all(&exchange.reply).await?;
                if exchange.then == Then::Breaks {
                    return Ok(());
                }
            }
            if rest == Rest::IsOver && !came.is_empty() {
                self.lock().unexpected.push(std::mem::take(&mut came));
            }
        }
    }
}

impl Script {
    /// The exchange that the bytes begin, which are taken; `None` when there is none, or one only when more came.
    fn next(&mut self, came: &mut Vec<u8>, rest: Rest) -> Option<Exchange> {
        if let Some(expected) = self.exchanges.front() {
            let request = expected.request.clone();
            if came.starts_with(&request) {
                came.drain(..request.len());
                return self.exchanges.pop_front();
            }
            if request.starts_with(came) && rest == Rest::MayCome {
                return None;
            }
        }
        if is_modbus_tcp(came) {
            let mut exchange = self.in_turn(&key(came))?;
            // The answer takes over the number of the transaction.
            if is_modbus_tcp(&exchange.reply) {
                exchange.reply = came.iter().take(2).chain(exchange.reply.iter().skip(2)).copied().collect();
            }
            came.clear();
            return Some(exchange);
        }
        let is_part = |request: &Vec<u8>| request.len() > came.len() && request.starts_with(came);
        if rest == Rest::MayCome && self.answers.keys().any(is_part) {
            return None;
        }
        let begun = self.answers.keys().filter(|request| came.starts_with(request));
        let request = begun.max_by_key(|request| request.len())?.clone();
        came.drain(..request.len());
        self.in_turn(&request)
    }

    fn told(&self) -> usize {
        let given = |request: &Vec<u8>| self.turns.get(request).copied().unwrap_or(0);
        self.answers.iter().map(|(request, answers)| given(request).min(answers.len())).sum()
    }

    fn in_turn(&mut self, request: &[u8]) -> Option<Exchange> {
        let answers = self.answers.get(request)?;
        let turn = self.turns.entry(request.to_vec()).or_default();
        let answer = answers.get(*turn % answers.len().max(1))?.clone();
        *turn += 1;
        Some(answer)
    }
}

/// Whether two requests ask the same.
pub fn is_same(one: &[u8], other: &[u8]) -> bool {
    key(one) == key(other)
}

/// What a request is known by: of Modbus TCP all but the number of its transaction.
fn key(request: &[u8]) -> Vec<u8> {
    request.get(if is_modbus_tcp(request) { 2 } else { 0 }..).unwrap_or_default().to_vec()
}

/// Protocol number zero, and the length of what follows it.
fn is_modbus_tcp(frame: &[u8]) -> bool {
    match frame {
        [_, _, 0, 0, high, low, rest @ ..] => usize::from(u16::from_be_bytes([*high, *low])) == rest.len(),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
