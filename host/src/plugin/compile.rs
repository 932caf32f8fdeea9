//! From WebAssembly to machine code, in a process of its own.
//!
//! A compiler cannot be stopped in the middle, and what it is given may be made to take hours, all memory, or the one path in it that
//! panics. So the program starts itself once more, with little priority and with limits that the system enforces; whatever happens there
//! costs one plugin:
//!
//! ```text
//! hub ── component on standard input ──▶ compile-plugin ── machine code on standard output ──▶ hub
//! ```
//!
//! A program that cannot start itself so, as a test that uses this library, compiles in its own process.

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, Signal, nice, setrlimit};
use thiserror::Error;

use super::engine::Engine;
use super::fault::chain;
use crate::capability::log::defuse;
use crate::config::model::Loading;

/// How often it is looked whether the compiler has ended.
const LOOK: Duration = Duration::from_millis(5);
/// Longest text of the compiler that is read.
const LONGEST_TEXT: u64 = 16 << 10;
/// Times the processor time that the compiler may take in all, on a machine that has more important things to do.
const PATIENCE: u32 = 10;
/// By how much others go first.
const NICE: i32 = 10;

/// The program that compiles when it is called with [`Compiler::VERB`].
static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// Why there is no machine code.
#[derive(Debug, Error)]
pub enum CompileError {
    /// It is no component, or uses what this host does not allow.
    #[error("{0}")]
    Invalid(String),
    /// It takes too long.
    #[error("compiling it takes more than {} s (loading.compile)", .0.as_secs_f64())]
    Time(Duration),
    /// It takes too much memory.
    #[error("compiling it takes more than {0} bytes of memory (loading.compile_memory)")]
    Memory(u64),
    /// The compiler itself failed.
    #[error("the compiler failed: {0}")]
    Compiler(String),
}

/// Compiles components.
pub struct Compiler;

impl Compiler {
    /// The command of this program that compiles.
    pub const VERB: &str = "compile-plugin";

    /// From here on this program compiles by calling itself.
    pub fn is_this_program() {
        // The file itself, even when another one has taken its name meanwhile.
        let link = Path::new("/proc/self/exe");
        let program = if link.exists() { Some(link.to_owned()) } else { std::env::current_exe().ok() };
        if let Some(program) = program {
            PROGRAM.get_or_init(|| program);
        }
    }

    /// Machine code for this engine.
    pub(super) fn compile(engine: &wasmtime::Engine, wasm: &[u8], limits: &Loading) -> Result<Vec<u8>, CompileError> {
        match PROGRAM.get() {
            None => engine.precompile_component(wasm).map_err(|error| CompileError::Invalid(chain(&error))),
            Some(program) => apart(program, wasm, limits),
        }
    }

    /// The other process: compiles what comes on standard input, within these limits.
    pub fn serve(seconds: u64, memory: u64) -> ExitCode {
        match serve(seconds, memory) {
            Ok(()) => ExitCode::SUCCESS,
            Err(reason) => {
                eprint!("{reason}");
                ExitCode::FAILURE
            }
        }
    }
}

fn serve(seconds: u64, memory: u64) -> Result<(), String> {
    let system = |error: std::io::Error| error.to_string();
    let hold = |resource, most: u64| {
        // A little above the first bound is one that ends the process without its being asked.
        let limit = Rlimit { current: Some(most), maximum: Some(most.saturating_add(2)) };
        setrlimit(resource, limit).map_err(|error| system(error.into()))
    };
    nice(NICE).map_err(|error| system(error.into()))?;
    hold(Resource::Core, 0)?;
    hold(Resource::Cpu, seconds)?;
    hold(Resource::As, memory)?;
    let mut wasm = Vec::new();
    std::io::stdin().lock().read_to_end(&mut wasm).map_err(system)?;
    let engine = Engine::new().map_err(|error| chain(&error))?;
    let compiled = engine.wasmtime().precompile_component(&wasm).map_err(|error| chain(&error))?;
    std::io::stdout().lock().write_all(&compiled).map_err(system)
}

fn apart(program: &Path, wasm: &[u8], limits: &Loading) -> Result<Vec<u8>, CompileError> {
    let failed = |error: std::io::Error| CompileError::Compiler(error.to_string());
    // Processor time is held by the system, even when whoever asked is gone. A machine that has none to give must not wait for ever.
    let seconds = limits.compile.as_secs().max(1);
    let patience = limits.compile.saturating_mul(PATIENCE);
    let mut child = Command::new(program)
        .args([Compiler::VERB, &seconds.to_string(), &limits.compile_memory.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let (input, output, text) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    std::thread::scope(|scope| {
        // A compiler that ends before it has read everything says why on its other outputs.
        scope.spawn(move || input.map(|mut input| input.write_all(wasm)));
        let output = scope.spawn(move || read(output, u64::MAX));
        let text = scope.spawn(move || read(text, LONGEST_TEXT));
        let status = wait(&mut child, patience).map_err(failed)?;
        let text = text.join().unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        match status {
            None => Err(CompileError::Time(limits.compile)),
            Some(status) if status.success() => Ok(output.join().unwrap_or_default()),
            Some(status) => Err(judge(status, &text, limits)),
        }
    })
}

/// What the process said, or why the system ended it.
fn judge(status: ExitStatus, text: &str, limits: &Loading) -> CompileError {
    let is_memory = ["memory allocation", "Cannot allocate memory", "os error 12", "OutOfMemory", "out of memory"];
    if is_memory.iter().any(|words| text.contains(words)) {
        return CompileError::Memory(limits.compile_memory);
    }
    if status.signal() == Some(Signal::XCPU.as_raw()) {
        return CompileError::Time(limits.compile);
    }
    let text = defuse(text, 1_000);
    match status.code() {
        Some(1) => CompileError::Invalid(text),
        _ => CompileError::Compiler(format!("{status}: {text}")),
    }
}

fn read(from: Option<impl Read>, most: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(from) = from {
        // What cannot be read is missing at the end, and the process's own end says why.
        let _ = from.take(most).read_to_end(&mut bytes);
    }
    bytes
}

/// How the process ended; nothing when it took too long and was ended.
fn wait(child: &mut Child, longest: Duration) -> std::io::Result<Option<ExitStatus>> {
    let deadline = Instant::now() + longest;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() > deadline {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(LOOK);
    }
}
