//! The real `tutin` binary, run as a user runs it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::disk::Disk;
use super::lines::{Lines, Origin};
use super::{SOON, built_file, compiled};

/// A temporary folder with a configuration and what the hub makes of it. It outlives the processes that run in it, so that a test
/// can end one and start the next on the same journal.
pub struct Site {
    folder: TempDir,
}

impl Site {
    /// A folder with this `tutin.toml`. State goes to `state` beside it unless the configuration says otherwise.
    pub fn new(configuration: &str) -> Self {
        let site = Site { folder: tempfile::tempdir().unwrap() };
        site.configure(configuration);
        site
    }

    /// Writes the configuration anew.
    pub fn configure(&self, configuration: &str) {
        fs::write(self.path("tutin.toml"), configuration).unwrap();
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Text of a file in the folder; empty while it is not there.
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Starts `tutin run tutin.toml`, with what hubs before it have compiled.
    pub fn run(&self) -> Hub {
        compiled::lay_out(self.folder.path());
        self.start(&["run", "tutin.toml"])
    }

    /// The same on a disk that a test can make fail.
    pub fn run_on(&self, disk: &Disk) -> Hub {
        compiled::lay_out(self.folder.path());
        Hub::start_in(&disk.environment(), &binary(), &["run", "tutin.toml"], self.folder.path())
    }

    /// Runs `tutin` with these arguments to its end, in the folder.
    pub fn said(&self, arguments: &[&str]) -> Said {
        self.said_with(&[], arguments)
    }

    /// The same with these variables in its environment.
    pub fn said_with(&self, environment: &[(&str, &str)], arguments: &[&str]) -> Said {
        let mut command = Command::new(binary());
        command.args(arguments).current_dir(self.folder.path()).envs(environment.iter().copied());
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        Said { success: output.status.success(), text }
    }

    /// What `tutin plugin status` says of each device of the hub that runs here.
    pub fn status(&self) -> Vec<Value> {
        let mut asked = self.start(&["plugin", "status", "--config", "tutin.toml", "--format", "json"]);
        assert!(asked.wait().success(), "{}", asked.lines().text());
        let said: Value = serde_json::from_str(&asked.lines().of(Origin::Stdout).concat()).unwrap();
        said["devices"].as_array().unwrap().clone()
    }

    /// Starts `tutin` with these arguments, in the folder.
    pub fn start(&self, arguments: &[&str]) -> Hub {
        Hub::start(&binary(), arguments, self.folder.path())
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        compiled::take(self.folder.path());
    }
}

/// What a command said that has ended.
pub struct Said {
    /// Whether it ended well.
    pub success: bool,
    /// Its standard output, then its errors.
    pub text: String,
}

/// A running `tutin`. Dropping it kills it; what it said is printed when the test has failed by then.
pub struct Hub {
    process: Child,
    lines: Lines,
}

impl Hub {
    /// Starts a program and listens to it.
    pub fn start(program: &Path, arguments: &[&str], folder: &Path) -> Self {
        Self::start_in(&[], program, arguments, folder)
    }

    fn start_in(environment: &[(&str, PathBuf)], program: &Path, arguments: &[&str], folder: &Path) -> Self {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(folder).envs(environment.iter().cloned());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap_or_else(|error| panic!("cannot start {}: {error}", program.display()));
        let lines = Lines::default();
        lines.collect(Origin::Stdout, process.stdout.take().unwrap());
        lines.collect(Origin::Stderr, process.stderr.take().unwrap());
        Hub { process, lines }
    }

    /// What it says.
    pub fn lines(&self) -> &Lines {
        &self.lines
    }

    /// Waits for a line that fits, from the beginning on, and returns it.
    pub fn wait_for(&self, what: &str, fits: impl Fn(&str) -> bool) -> String {
        self.wait_for_after(0, what, fits)
    }

    /// Waits for a line that fits, from the position `start` on (see [`Lines::count`]), and returns it.
    pub fn wait_for_after(&self, start: usize, what: &str, fits: impl Fn(&str) -> bool) -> String {
        let found = self.lines.wait(start, SOON, fits);
        found.unwrap_or_else(|| panic!("no line with {what} within {SOON:?}")).1
    }

    /// Waits until something outside the hub has become true.
    pub fn wait_until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let deadline = Instant::now() + SOON;
        while !holds() {
            assert!(Instant::now() < deadline, "{what} did not come within {SOON:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Sends SIGINT, as Ctrl-C does, and waits for the end.
    pub fn interrupt(&mut self) -> ExitStatus {
        self.signal("-INT");
        self.wait()
    }

    /// Sends SIGHUP, as a person does who has edited the configuration.
    pub fn hang_up(&self) {
        self.signal("-HUP");
    }

    fn signal(&self, signal: &str) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success(), "the hub was gone already");
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Waits for it to end by itself.
    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + SOON;
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                assert!(self.lines.wait_for_end(SOON), "its outputs stayed open");
                return status;
            }
            assert!(Instant::now() < deadline, "it did not end within {SOON:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        // It may have ended already, which is what is wanted.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("the hub said:\n{}", self.lines.text());
        }
    }
}

/// The binary beside the one that runs this test.
pub fn binary() -> PathBuf {
    built_file("tutin", "cargo build --package tutin")
}

/// A built plugin, as in `plugin("teledyne-t")`.
pub fn plugin(name: &str) -> PathBuf {
    built_file(&format!("plugins/{name}.wasm"), "cargo xtask plugins")
}
