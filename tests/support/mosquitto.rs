//! A real MQTT broker, and a subscriber that shows what arrived there.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v5::Packet;
use rumqttc::{BrokerSessionResumePolicy, Client, Event, MqttOptions, PublishOptions, Transport};
use tempfile::TempDir;

use super::certificates::Certificates;
use super::{SOON, installed, ports};

/// A broker of its own for one test. It speaks MQTT 3.1.1 and 5 on one port.
pub struct Mosquitto {
    port: u16,
    folder: TempDir,
    process: Option<Child>,
    certificates: Option<Certificates>,
}

/// The only user of a broker with TLS.
pub const USER: &str = "hub";
/// Its password.
pub const PASSWORD: &str = "correct horse";

/// Whether clients of a broker with TLS need a certificate besides the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientCertificate {
    /// One of the broker's authority.
    Required,
    NotAsked,
}

impl Mosquitto {
    /// Starts one on a free port: no password, nothing kept on disk.
    pub fn start() -> Self {
        Self::start_with("allow_anonymous true\npersistence false\n", None)
    }

    /// The same, but sessions, queues and retained messages outlive it.
    pub fn start_persistent() -> Self {
        Self::start_with(&format!("allow_anonymous true\n{PERSISTENCE}"), None)
    }

    /// Starts one with TLS on a free port, for [`USER`] only, whose sessions, queues and retained messages outlive it.
    pub fn start_tls(client_certificate: ClientCertificate) -> Self {
        let certificates = Certificates::make();
        let file = |name: &str| certificates.file(name).display().to_string();
        let passwords = certificates.file("passwords");
        let mut command = Command::new(installed("mosquitto_passwd"));
        let status = command.args(["-b", "-c"]).arg(&passwords).args([USER, PASSWORD]).status().unwrap();
        assert!(status.success(), "mosquitto_passwd ended with {status}");
        let settings = format!(
            "allow_anonymous false\npassword_file {}\ncafile {}\ncertfile {}\nkeyfile {}\nrequire_certificate {}\n{PERSISTENCE}",
            passwords.display(),
            file("ca.pem"),
            file("server.crt"),
            file("server.pem"),
            client_certificate == ClientCertificate::Required,
        );
        Self::start_with(&settings, Some(certificates))
    }

    fn start_with(settings: &str, certificates: Option<Certificates>) -> Self {
        let port = ports::free();
        let folder = tempfile::tempdir().unwrap();
        // As root it would become a user that may not read the folder.
        let place = format!("user root\npersistence_location {}/\n", folder.path().display());
        let settings = format!("{place}listener {port} 127.0.0.1\n{settings}");
        fs::write(folder.path().join("mosquitto.conf"), settings).unwrap();
        let mut broker = Mosquitto { port, folder, process: None, certificates };
        broker.restart();
        broker
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `mqtt://127.0.0.1:port`, or `mqtts` with TLS.
    pub fn url(&self) -> String {
        let scheme = if self.certificates.is_some() { "mqtts" } else { "mqtt" };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// The certificates of a broker with TLS, with one for a client.
    pub fn certificates(&self) -> &Certificates {
        self.certificates.as_ref().expect("started without TLS")
    }

    /// Ends it as a crash does.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Has a persistent one write what it knows to disk, which it else does when it has time; returns when it has.
    pub fn save(&self) {
        let file = self.folder.path().join("mosquitto.db");
        let written = || fs::metadata(&file).and_then(|file| file.modified()).ok();
        let before = written();
        let process = self.process.as_ref().expect("it runs").id().to_string();
        assert!(Command::new("kill").args(["-USR1", &process]).status().unwrap().success());
        let deadline = Instant::now() + SOON;
        while written() == before {
            assert!(Instant::now() < deadline, "mosquitto wrote nothing");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Starts it again on the same port, after a crash if it still ran. One that is not persistent remembers nothing.
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
        Subscriber::start(self.options(&format!("test-subscriber-{filter}")), filter)
    }

    /// The same in a session that the broker keeps under this name while the subscriber is away.
    pub fn subscribe_as(&self, session: &str, filter: &str) -> Subscriber {
        let mut options = self.options(session);
        options.set_clean_start(false).set_session_expiry_interval(Some(3600));
        // The client has no memory of its own: what the broker kept is all there is.
        options.set_broker_session_resume_policy(BrokerSessionResumePolicy::AllowBrokerOnly);
        Subscriber::start(options, filter)
    }

    /// Publishes at least once; returns when the broker has it.
    pub fn publish(&self, topic: &str, payload: impl Into<Vec<u8>>) {
        self.send(topic, payload.into(), PublishOptions::new(QoS::AtLeastOnce));
    }

    /// The same, and the broker keeps it for those who subscribe later.
    pub fn publish_retained(&self, topic: &str, payload: impl Into<Vec<u8>>) {
        self.send(topic, payload.into(), PublishOptions::new(QoS::AtLeastOnce).retain(true));
    }

    fn send(&self, topic: &str, payload: Vec<u8>, how: PublishOptions) {
        let (client, mut connection) = Client::builder(self.options("test-publisher")).capacity(4).build();
        client.publish(topic, payload, how).unwrap();
        let deadline = Instant::now() + SOON;
        loop {
            match connection.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Ok(Event::Incoming(Packet::PubAck(_)))) => break,
                Ok(Ok(_)) => {}
                other => panic!("the broker did not take a message for {topic}: {other:?}"),
            }
        }
        client.disconnect().unwrap();
        while let Ok(Ok(_)) = connection.recv() {}
    }

    /// What a client of this broker needs.
    pub fn options(&self, client: &str) -> MqttOptions {
        let mut options = MqttOptions::new(client, ("127.0.0.1", self.port));
        options.set_keep_alive(5);
        if let Some(certificates) = &self.certificates {
            let read = |name: &str| fs::read(certificates.file(name)).unwrap();
            let identity = Some((read("client.crt"), read("client.pem")));
            options.set_transport(Transport::tls(read("ca.pem"), identity, None));
            options.set_credentials(USER, PASSWORD);
        }
        options
    }
}

/// Everything is on disk before the next message is taken, so that even a crash loses no more than one.
const PERSISTENCE: &str = "persistence true\nautosave_on_changes true\nautosave_interval 1\n";

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
    client: Client,
    messages: Receiver<Message>,
    ended: Receiver<()>,
}

impl Drop for Subscriber {
    /// Leaves, so that from now on the broker keeps what comes for its session.
    fn drop(&mut self) {
        if self.client.disconnect().is_ok() {
            let _ = self.ended.recv_timeout(SOON);
        }
    }
}

impl Subscriber {
    fn start(options: MqttOptions, filter: &str) -> Self {
        let (client, mut connection) = Client::builder(options).capacity(16).build();
        let (ready, is_ready) = channel();
        let (sender, messages) = channel();
        let (end, ended) = channel();
        client.subscribe(filter, QoS::AtLeastOnce).unwrap();
        std::thread::spawn(move || {
            while let Ok(Ok(event)) = connection.recv() {
                let sent = match event {
                    Event::Incoming(Packet::SubAck(_)) => ready.send(()).is_ok(),
                    // The session that is taken up has its subscription already; it is not asked for again.
                    Event::Incoming(Packet::ConnAck(answer)) if answer.session_present => ready.send(()).is_ok(),
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
            let _ = end.send(());
        });
        is_ready.recv_timeout(SOON).expect("the broker did not confirm the subscription");
        Subscriber { client, messages, ended }
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
