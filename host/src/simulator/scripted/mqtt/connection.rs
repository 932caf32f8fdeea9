//! One client, from CONNECT to its end.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::bytes::BytesMut;
use tracing::debug;

use super::packet::{self, FromClient, Hello, Version};
use super::state::{Farewell, Seat, State};

/// Longest wait for CONNECT.
const GREETING: Duration = Duration::from_secs(10);
/// Silence of a client that asked for no limit.
const LONG: Duration = Duration::from_secs(24 * 3600);
/// Bytes that wait to be sent before nothing more is taken.
const UNSENT: usize = 256 << 10;

/// Serves one client until it goes, is silent for too long or says what is no MQTT.
pub(super) async fn serve(mut stream: TcpStream, state: watch::Sender<State>) {
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "packets may wait for more to send");
    }
    let mut input = BytesMut::new();
    let hello = match tokio::time::timeout(GREETING, greeting(&mut stream, &mut input)).await {
        Ok(Ok(hello)) => hello,
        Ok(Err(reason)) => return debug!(reason, "a simulated broker was not greeted"),
        Err(_) => return debug!("a simulated broker was not greeted in time"),
    };
    let mut answer = None;
    state.send_modify(|state| answer = Some(state.connect(&hello)));
    let Some((seat, answer)) = answer else { return };
    let mut out = BytesMut::new();
    let connection = Connection { seat: &seat, version: hello.version, state: &state };
    let farewell = match packet::write(hello.version, answer, &mut out) {
        Ok(()) => connection.run(&hello, stream, input, out).await,
        Err(reason) => Err(reason),
    };
    if let Err(reason) = &farewell {
        debug!(client = seat.client, reason, "a connection to a simulated broker ended");
    }
    state.send_modify(|state| state.leave(&seat, farewell.unwrap_or(Farewell::WithWill)));
}

async fn greeting(stream: &mut TcpStream, input: &mut BytesMut) -> Result<Hello, String> {
    loop {
        if let Some(hello) = packet::read_hello(input)? {
            return Ok(hello);
        }
        match stream.read_buf(input).await {
            Ok(0) => return Err("the connection was closed".into()),
            Ok(_) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
}

struct Connection<'a> {
    seat: &'a Seat,
    version: Version,
    state: &'a watch::Sender<State>,
}

impl Connection<'_> {
    async fn run(
        &self,
        hello: &Hello,
        mut stream: TcpStream,
        mut input: BytesMut,
        mut out: BytesMut,
    ) -> Result<Farewell, String> {
        let (mut reader, mut writer) = stream.split();
        let mut changes = self.state.subscribe();
        // One and a half times what was agreed (3.1.2.10).
        let patience = hello.keep_alive.map_or(LONG, |keep_alive| keep_alive * 3 / 2);
        let mut heard = Instant::now();
        loop {
            while let Some(packet) = packet::read(self.version, &mut input)? {
                if let FromClient::Disconnect { with_will } = packet {
                    return Ok(if with_will { Farewell::WithWill } else { Farewell::Goodbye });
                }
                self.handle(packet, &mut out)?;
            }
            changes.mark_unchanged();
            if out.len() < UNSENT {
                self.take(&mut out)?;
            }
            // Each branch may be lost: bytes that were read or written are in the buffers by then.
            tokio::select! {
                biased;
                written = writer.write_buf(&mut out), if !out.is_empty() => {
                    written.map_err(|error| error.to_string())?;
                    if out.is_empty() {
                        self.state.send_if_modified(|state| state.written(self.seat));
                    }
                }
                changed = changes.changed() => changed.map_err(|_| "the broker has ended".to_owned())?,
                () = sleep_until(heard + patience) => return Err("nothing came for too long".into()),
                read = reader.read_buf(&mut input) => match read {
                    Ok(0) => return Err("the client closed the connection without a goodbye".into()),
                    Ok(_) => heard = Instant::now(),
                    Err(error) => return Err(error.to_string()),
                },
            }
        }
    }

    fn handle(&self, packet: FromClient, out: &mut BytesMut) -> Result<(), String> {
        let mut answer = Ok(None);
        self.state.send_modify(|state| answer = state.handle(self.seat, packet));
        match answer? {
            Some(answer) => packet::write(self.version, answer, out),
            None => Ok(()),
        }
    }

    /// Takes what the client may have.
    fn take(&self, out: &mut BytesMut) -> Result<(), String> {
        let mut taken = None;
        self.state.send_if_modified(|state| {
            taken = state.take(self.seat);
            // Nobody but this connection waits for what it took.
            false
        });
        let taken = taken.ok_or("the same client came by another connection")?;
        taken.into_iter().try_for_each(|packet| packet::write(self.version, packet, out))
    }
}
