//! A peer in a process of its own that is told over standard input what to do, one JSON object a line, and answers each with one line.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use serde_json::{Value, json};

use super::{SOON, python, test_file};

/// A running peer. Dropping it ends it.
pub struct Told {
    name: String,
    process: Child,
    stdin: ChildStdin,
    answers: Receiver<String>,
}

impl Told {
    /// Starts a Python program of `support`, tells it what it is to be, and waits until it says `ready`; what it says behind that is
    /// returned too.
    pub fn start(script: &str, arguments: &[&str], description: &Value) -> (Self, String) {
        Self::try_start(script, arguments, description).unwrap_or_else(|said| panic!("{script}: {said}"))
    }

    /// The same, where something else than `ready` may be said.
    pub fn try_start(script: &str, arguments: &[&str], description: &Value) -> Result<(Self, String), String> {
        let mut command = Command::new(python());
        command.arg(test_file(&format!("support/{script}"))).args(arguments);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let stdin = process.stdin.take().unwrap();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut peer = Told { name: script.to_owned(), process, stdin, answers };
        let said = peer.ask(description);
        match said.strip_prefix("ready") {
            Some(rest) => Ok((peer, rest.trim().to_owned())),
            None => Err(said),
        }
    }

    /// Tells it something and returns its answer.
    pub fn ask(&mut self, command: &Value) -> String {
        writeln!(self.stdin, "{command}").unwrap();
        let answer = self.answers.recv_timeout(SOON);
        answer.unwrap_or_else(|_| panic!("{} ended or did not answer within {SOON:?} to {command}", self.name))
    }

    /// Tells it something that it has to agree to.
    pub fn must(&mut self, command: &Value) {
        let answer = self.ask(command);
        assert_eq!(answer, "ok", "{} refused {command}", self.name);
    }

    /// Asks for something that it answers in JSON.
    pub fn get(&mut self, command: &Value) -> Value {
        let answer = self.ask(command);
        serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{} answered {command} with {answer}", self.name))
    }

    /// Tells it to do this, which it does without more to say.
    pub fn order(&mut self, name: &str) {
        self.must(&json!({ name: true }));
    }

    /// Ends it as a pulled plug does.
    pub fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.kill();
    }
}
