//! Programs that the bench starts: their lines, and their end.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::stamp;

/// A program that answers each line on its standard input with a line.
pub struct Child {
    process: std::process::Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Child {
    /// Starts it and returns it with its first line.
    pub fn start(program: &Path, arguments: &[String]) -> Result<(Self, String)> {
        let mut command = with_many_files(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let stdin = process.stdin.take().context("no standard input")?;
        let stdout = BufReader::new(process.stdout.take().context("no standard output")?);
        let mut child = Child { process, stdin, stdout };
        let first = child.line()?;
        Ok((child, first))
    }

    /// Sends a line and waits for the answer.
    pub fn ask(&mut self, question: &str) -> Result<serde_json::Value> {
        writeln!(self.stdin, "{question}")?;
        Ok(serde_json::from_str(&self.line()?)?)
    }

    /// Its process number.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.stdout.read_line(&mut line)? == 0 {
            bail!("a program of the bench ended: {}", self.process.wait()?);
        }
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Nothing is lost with it, and a program that is gone already needs no signal.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A program whose standard output is kept whole, with the moment at which each piece of it came.
pub struct Observed {
    process: std::process::Child,
    reader: JoinHandle<Output>,
}

/// What a program wrote.
#[derive(Debug, Default)]
pub struct Output {
    text: Vec<u8>,
    /// Length of the text, and when it had become so long.
    pieces: Vec<(usize, u64)>,
}

impl Observed {
    /// Starts it; what it says on standard error goes to the file.
    pub fn start(program: &Path, arguments: &[&OsStr], stderr: &Path) -> Result<Self> {
        let mut command = with_many_files(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(std::fs::File::create(stderr)?);
        let mut process = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let stdout = process.stdout.take().context("no standard output")?;
        Ok(Observed { process, reader: std::thread::spawn(move || Output::read(stdout)) })
    }

    /// Its process number.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// True while it runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    /// Asks it to end and waits; what is still there after the time is killed and an error.
    pub fn end(mut self, longest: Duration) -> Result<Output> {
        let deadline = Instant::now() + longest;
        Command::new("kill").args(["-INT", &self.id().to_string()]).status().context("cannot start `kill`")?;
        let status = loop {
            match self.process.try_wait()? {
                Some(status) => break status,
                None if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(10)),
                None => {
                    self.process.kill()?;
                    bail!("the hub did not end within {longest:?} of SIGINT");
                }
            }
        };
        let output = self.reader.join().ok().context("the reading thread has panicked")?;
        if !status.success() {
            bail!("the hub ended with {status}");
        }
        Ok(output)
    }

    /// Ends it at once.
    pub fn kill(mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Output {
    fn read(mut stdout: ChildStdout) -> Self {
        let mut output = Output::default();
        let mut piece = vec![0; 256 * 1024];
        while let Ok(length @ 1..) = stdout.read(&mut piece) {
            let arrived = stamp::now();
            output.push(piece.get(..length).unwrap_or_default(), arrived);
        }
        output
    }

    fn push(&mut self, piece: &[u8], arrived: u64) {
        self.text.extend_from_slice(piece);
        self.pieces.push((self.text.len(), arrived));
    }

    /// The lines, each with the moment at which its end came.
    pub fn lines(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let mut end = 0;
        let mut pieces = self.pieces.iter().peekable();
        self.text.split_inclusive(|byte| *byte == b'\n').map(move |line| {
            end += line.len();
            while pieces.next_if(|(length, _)| *length < end).is_some() {}
            (pieces.peek().map_or(u64::MAX, |(_, arrived)| *arrived), line)
        })
    }
}

/// A thousand connections are more files than many systems allow unasked.
fn with_many_files(program: &Path) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n \"$(ulimit -Hn)\"; exec \"$0\" \"$@\""]).arg(program);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_come_when_its_end_has() {
        let mut output = Output::default();
        output.push(b"a\nbb", 1);
        output.push(b"b\n", 2);
        output.push(b"c\nd\n", 3);
        let lines: Vec<_> = output.lines().collect();
        assert_eq!(lines, [(1, &b"a\n"[..]), (2, b"bbb\n"), (3, b"c\n"), (3, b"d\n")]);
    }
}
