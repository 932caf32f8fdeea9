//! A real MQTT broker, and a subscriber that shows what arrived there.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v5::Packet;
use rumqttc::{Client, Event, MqttOptions};
use tempfile::TempDir;

use super::{SOON, installed, ports};

/// A broker of its own for one test: no password, nothing kept on disk.
pub struct Mosquitto {
    port: u16,
    folder: TempDir,
    process: Option<Child>,
}

impl Mosquitto {
    /// Starts one on a free port.
    pub fn start() -> Self {
        let port = ports::free();
        let folder = tempfile::tempdir().unwrap();
        let settings = format!("listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n");
        fs::write(folder.path().join("mosquitto.conf"), settings).unwrap();
        let mut broker = Mosquitto { port, folder, process: None };
        broker.restart();
        broker
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `mqtt://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }

    /// Ends it as a crash does.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Starts it again on the same port, without any memory of before.
    pub fn restart(&mut self) {
        self.kill();
        let log = self.folder.path().join("log");
        let mut command = Command::new(installed("mosquitto"));
        command.arg("-c").arg(self.folder.path().join("mosquitto.conf"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(fs::File::create(&log).unwrap());
        self.process = Some(command.spawn().unwrap());
        if !ports::wait_until_open(self.port, SOON) {
            panic!("mosquitto does not listen: {}", fs::read_to_string(&log).unwrap_or_default());
        }
    }

    /// Subscribes; returns when the broker has confirmed it.
    pub fn subscribe(&self, filter: &str) -> Subscriber {
        Subscriber::start(self.port, filter)
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A message as a subscriber got it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Where it was published.
    pub topic: String,
    /// What it says.
    pub payload: Vec<u8>,
    /// Whether the broker had kept it.
    pub retained: bool,
}

/// A client that takes every message of a filter.
pub struct Subscriber {
    // Dropping it ends the connection.
    _client: Client,
    messages: Receiver<Message>,
}

impl Subscriber {
    fn start(port: u16, filter: &str) -> Self {
        let mut options = MqttOptions::new(format!("test-subscriber-{port}-{filter}"), ("127.0.0.1", port));
        options.set_keep_alive(5);
        let (client, mut connection) = Client::builder(options).capacity(16).build();
        let (ready, is_ready) = channel();
        let (sender, messages) = channel();
        client.subscribe(filter, QoS::AtLeastOnce).unwrap();
        std::thread::spawn(move || {
            while let Ok(Ok(event)) = connection.recv() {
                let sent = match event {
                    Event::Incoming(Packet::SubAck(_)) => ready.send(()).is_ok(),
                    Event::Incoming(Packet::Publish(publish)) => {
                        let topic = String::from_utf8_lossy(&publish.topic).into_owned();
                        let message = Message { topic, payload: publish.payload.to_vec(), retained: publish.retain };
                        sender.send(message).is_ok()
                    }
                    _ => true,
                };
                if !sent {
                    break;
                }
            }
        });
        is_ready.recv_timeout(SOON).expect("the broker did not confirm the subscription");
        Subscriber { _client: client, messages }
    }

    /// Waits for the next message.
    pub fn next(&self) -> Message {
        self.messages.recv_timeout(SOON).unwrap_or_else(|_| panic!("no message within {SOON:?}"))
    }

    /// The messages that come until there is none for this long.
    pub fn drain(&self, quiet: Duration) -> Vec<Message> {
        let begin = Instant::now();
        let mut messages = Vec::new();
        while let Ok(message) = self.messages.recv_timeout(quiet) {
            messages.push(message);
            assert!(begin.elapsed() < SOON, "messages do not end");
        }
        messages
    }
}
