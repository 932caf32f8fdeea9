//! An OPC UA server and a client that were not written by us: asyncua, each in a process of its own, told over standard input what to do.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::certificates::Certificates;
use super::told::Told;
use super::{built_file, ports};

/// The namespace of all nodes but those of the standards.
pub const NAMESPACE: &str = "urn:tutin:test:nodes";

/// What the server has; see `asyncua_server.py`. Everything changes once a period, tick by tick: tick N is N periods after `epoch`.
#[derive(Debug, Clone)]
pub struct Plant {
    /// How many items change at each tick: `s=item.1` on, UInt32, the number of the tick.
    pub items: usize,
    /// How many nodes have a history: `s=history.1` on, Double, the number of the tick plus an eighth of the node's number.
    pub histories: usize,
    /// How far back the history went when the server first started.
    pub history: Duration,
    /// How many nodes there are to browse besides.
    pub browse: usize,
    /// The time between ticks.
    pub period: Duration,
    /// Whether the DI and ADI models are there, and `DeviceSet/Analyser` after them.
    pub adi: bool,
    /// How many namespaces stand before the plant's.
    pub other_namespaces: usize,
    /// Only this user, with this password, is let in.
    pub user: Option<(String, String)>,
    /// There is no endpoint without security.
    pub only_secure: bool,
}

impl Default for Plant {
    fn default() -> Self {
        Plant {
            items: 3,
            histories: 1,
            history: Duration::from_secs(60),
            browse: 0,
            period: Duration::from_secs(1),
            adi: false,
            other_namespaces: 0,
            user: None,
            only_secure: false,
        }
    }
}

/// A running server.
pub struct Asyncua {
    plant: Plant,
    epoch: SystemTime,
    port: u16,
    certificates: Option<Certificates>,
    told: Told,
}

impl Asyncua {
    /// Starts one on a free port that knows no security.
    pub fn start(plant: Plant) -> Self {
        Self::start_at(plant, SystemTime::now(), ports::free(), None)
    }

    /// Starts one with a certificate. Of its clients it lets in those whose certificate is in [`Asyncua::trusted`].
    pub fn start_secure(plant: Plant) -> Self {
        let certificates = Certificates::make();
        fs::create_dir(certificates.file("trusted")).unwrap();
        Self::start_at(plant, SystemTime::now(), ports::free(), Some(certificates))
    }

    fn start_at(plant: Plant, epoch: SystemTime, port: u16, certificates: Option<Certificates>) -> Self {
        let period = plant.period.as_millis() as u64;
        let (user, password) = plant.user.clone().unzip();
        let description = json!({
            "epoch": milliseconds(epoch),
            "period_ms": period,
            "items": plant.items,
            "history": plant.histories,
            "history_from": -((plant.history.as_millis() as u64 / period) as i64),
            "browse": plant.browse,
            "folder": certificates.as_ref().map(Certificates::folder),
            "only_secure": plant.only_secure,
            "user": user,
            "password": password,
            "other_namespaces": plant.other_namespaces,
            "adi": plant.adi,
        });
        let nodesets = nodesets();
        let arguments = [&port.to_string(), nodesets.to_str().unwrap()];
        let (told, _) = Told::start("asyncua_server.py", &arguments, &description);
        Asyncua { plant, epoch, port, certificates, told }
    }

    /// `opc.tcp://127.0.0.1:port/plant`.
    pub fn url(&self) -> String {
        format!("opc.tcp://127.0.0.1:{}/plant", self.port)
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// When tick 0 was.
    pub fn epoch(&self) -> SystemTime {
        self.epoch
    }

    /// Its certificates, with one for a client that has to be trusted first.
    pub fn certificates(&self) -> &Certificates {
        self.certificates.as_ref().expect("started without security")
    }

    /// Where a client's certificate, as DER with the suffix `.der`, is let in. It looks there at each new session.
    pub fn trusted(&self) -> PathBuf {
        self.certificates().file("trusted")
    }

    /// Where it leaves the certificates of clients that it did not let in.
    pub fn rejected(&self) -> PathBuf {
        self.certificates().file("rejected")
    }

    /// Lets a client with this certificate in.
    pub fn trust(&self, certificate: &Path) {
        fs::copy(certificate, self.trusted().join(certificate.file_name().unwrap())).unwrap();
    }

    /// Sets a value, good and of now. `node` is like `s=item.1`, or browse names like `DeviceSet/Analyser/Channel1`.
    pub fn set(&mut self, node: &str, value: impl Into<Value>) {
        self.told.must(&json!({ "set": node, "value": value.into() }));
    }

    /// Sets a value with its source time.
    pub fn set_at(&mut self, node: &str, value: impl Into<Value>, at: SystemTime) {
        self.told.must(&json!({ "set": node, "value": value.into(), "at": milliseconds(at) }));
    }

    /// Sets the status code of a node, which keeps its value.
    pub fn set_status(&mut self, node: &str, code: u32) {
        self.told.must(&json!({ "set": node, "status": code }));
    }

    /// Sets the analyser's health: 0 normal, 1 failure, 2 check function, 3 off spec, 4 maintenance required.
    pub fn set_health(&mut self, health: u8) {
        self.set("DeviceSet/Analyser/DeviceHealth", health);
    }

    /// From now on it takes what comes and does not answer, also on new connections.
    pub fn fall_silent(&mut self) {
        self.told.must(&json!({ "silent": true }));
    }

    /// It closes the connections that it did not answer, and answers again.
    pub fn speak(&mut self) {
        self.told.must(&json!({ "silent": false }));
    }

    /// Subscriptions send nothing any more, not even that they live; everything else goes on.
    pub fn stop_publishing(&mut self) {
        self.told.must(&json!({ "publish": false }));
    }

    /// They go on, with what they have kept.
    pub fn publish(&mut self) {
        self.told.must(&json!({ "publish": true }));
    }

    /// Resets every connection; sessions and subscriptions live on.
    pub fn drop_connections(&mut self) {
        self.told.order("drop");
    }

    /// The number of the last tick.
    pub fn tick(&mut self) -> u64 {
        self.told.get(&json!({ "tick": true })).as_u64().unwrap()
    }

    /// Ends it as a pulled plug does; [`Asyncua::restart`] brings it back on the same port.
    pub fn vanish(&mut self) {
        self.told.kill();
    }

    /// Starts it again on the same port, without sessions, and with the history of the ticks in between.
    pub fn restart(&mut self) {
        self.restart_as(self.plant.clone());
    }

    /// The same with another plant.
    pub fn restart_as(&mut self, plant: Plant) {
        self.vanish();
        let certificates = self.certificates.take();
        *self = Self::start_at(plant, self.epoch, self.port, certificates);
    }
}

/// Who a client of [`connect`] says it is.
#[derive(Debug, Clone, Default)]
pub struct Identity {
    /// Like `Aes256Sha256RsaPss`.
    pub policy: Option<String>,
    /// Certificate, its key, and the application's URI in it.
    pub certificate: Option<(PathBuf, PathBuf, String)>,
    pub user: Option<(String, String)>,
}

/// A client of asyncua, connected; it is asked as `asyncua_client.py` says. The error is what it was refused with.
pub fn connect(url: &str, identity: &Identity) -> Result<Told, String> {
    let (user, password) = identity.user.clone().unzip();
    let certificate = identity.certificate.clone();
    let (certificate, key, uri) = certificate.map_or((None, None, None), |(a, b, c)| (Some(a), Some(b), Some(c)));
    Told::try_start(
        "asyncua_client.py",
        &[],
        &json!({
            "url": url, "policy": identity.policy, "certificate": certificate, "key": key, "uri": uri,
            "user": user, "password": password,
        }),
    )
    .map(|(told, _)| told)
}

/// The folder with the NodeSet2 files of the companion models.
fn nodesets() -> PathBuf {
    let adi = "peers/node/node_modules/node-opcua-nodesets/nodesets/Opc.Ua.Adi.NodeSet2.xml";
    built_file(adi, "cargo xtask setup").parent().unwrap().to_path_buf()
}

fn milliseconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}
