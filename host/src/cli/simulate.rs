//! `tutin simulate`: analyzers and an authority to rehearse with, each as a process of its own.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use tokio_util::sync::CancellationToken;

use crate::kit::case::{Case, CaseError};
use crate::kit::rehearsal::{Rehearsal, RehearsalError};
use crate::simulator::analyzer::{self, Cycle, CycleError, Fault, Fitting, Model};
use crate::simulator::authority::{self, Behaviour, Received, Requirement};
use crate::simulator::replay::{Script, ScriptError};
use crate::simulator::{Analyzer, Authority, StartError};

/// Runs a simulated analyzer or authority until it is interrupted.
#[derive(Debug, Clone, Args)]
pub struct SimulateArgs {
    /// What to simulate.
    #[command(subcommand)]
    pub what: Simulated,
}

/// What can be simulated.
#[derive(Debug, Clone, Subcommand)]
pub enum Simulated {
    /// Teledyne T200 over Modbus TCP: NO, NO2 and NOx in ppb, replayed from recorded data.
    TeledyneT200(AnalyzerArgs),
    /// Teledyne T300 over Modbus TCP: CO in ppm, replayed from recorded data.
    TeledyneT300(AnalyzerArgs),
    /// A device that answers as it did while `tutin trace DEVICE --to FILE` watched it.
    Replay(ReplayArgs),
    /// The instrument of a driver's case, as it is before the case's first step: on a byte stream, Modbus TCP or as it was recorded.
    Case(CaseArgs),
    /// An authority that receives, checks and acknowledges averages and readings over HTTP.
    Authority(AuthorityArgs),
}

/// Options of a simulated analyzer. Durations are written as in `500ms`, `1s`, `20m`.
#[derive(Debug, Clone, Args)]
pub struct AnalyzerArgs {
    /// Address to listen on; port 0 lets the system choose.
    #[arg(long, default_value = "127.0.0.1:5020", value_name = "ADDRESS:PORT")]
    pub listen: SocketAddr,
    /// How long a recorded hour lasts; 0s holds the first row.
    #[arg(long, default_value = "1s", value_parser = duration)]
    pub step: Duration,
    /// Row of the recording to begin with.
    #[arg(long, default_value_t = 0)]
    pub start_row: usize,
    /// Share of NO2 in NOx, 0 to 1 (T200).
    #[arg(long, default_value_t = 0.05, value_parser = share)]
    pub no2_share: f64,
    /// Time constant of the reading after a switch to zero or span gas.
    #[arg(long, default_value = "3s", value_parser = duration)]
    pub response: Duration,
    /// Time from one automatic zero and span check to the next; without it there are none.
    #[arg(long, value_parser = duration, value_name = "DURATION")]
    pub zero_every: Option<Duration>,
    /// How long zero gas flows in each check.
    #[arg(long, default_value = "10s", value_parser = duration, requires = "zero_every")]
    pub zero_for: Duration,
    /// How long span gas flows after the zero gas in each check.
    #[arg(long, default_value = "10s", value_parser = duration, requires = "zero_every")]
    pub span_for: Duration,
    /// What it is fitted with: range3, o2, co2, o3, m_series.
    #[arg(long, value_delimiter = ',')]
    pub fitted: Vec<Fitting>,
    /// What is wrong: silent, refuse, slow:MS, exception:CODE, wrong_word_order, frozen, or the id of a status bit
    /// such as invalid_conc. May be repeated.
    #[arg(long = "fault", value_parser = fault)]
    pub faults: Vec<Fault>,
    /// Address for GET /state, POST /fault and POST /clear.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub control: Option<SocketAddr>,
}

/// Options of a replayed trace.
#[derive(Debug, Clone, Args)]
pub struct ReplayArgs {
    /// What `tutin trace` wrote.
    pub file: PathBuf,
    /// Address to listen on; port 0 lets the system choose.
    #[arg(long, default_value = "127.0.0.1:5020", value_name = "ADDRESS:PORT", conflicts_with = "connect")]
    pub listen: SocketAddr,
    /// Address to connect to instead, for a device that connects to the hub.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub connect: Option<SocketAddr>,
}

/// Options of an instrument of a case.
#[derive(Debug, Clone, Args)]
pub struct CaseArgs {
    /// The case's folder, as in my-driver/cases/measuring.
    pub folder: PathBuf,
    /// Address to listen on; port 0 lets the system choose.
    #[arg(long, default_value = "127.0.0.1:5020", value_name = "ADDRESS:PORT")]
    pub listen: SocketAddr,
}

/// Options of a simulated authority.
#[derive(Debug, Clone, Args)]
pub struct AuthorityArgs {
    /// Address to listen on; port 0 lets the system choose.
    #[arg(long, default_value = "127.0.0.1:8081", value_name = "ADDRESS:PORT")]
    pub listen: SocketAddr,
    /// Bearer token to ask for; without it any is good.
    #[arg(long, env = "TUTIN_SIMULATED_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// Members that an average must have, as name:kind or this|that:kind, kind being any, text, number or time.
    #[arg(long, value_delimiter = ',', default_value = "source:text,parameter:text,start:time,mean|value:number")]
    pub require: Vec<Requirement>,
    /// File to append every received object to, as JSON lines.
    #[arg(long, value_name = "FILE")]
    pub store: Option<PathBuf>,
    /// How it begins: accept, refuse, unavailable, stall, store_and_stall, vanish.
    #[arg(long, default_value = "accept")]
    pub behaviour: Behaviour,
    /// Address for GET /received and POST /control.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub control: Option<SocketAddr>,
}

/// Why the command ended early.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// The simulator did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The trace cannot be played.
    #[error(transparent)]
    Script(#[from] ScriptError),
    /// The case cannot be read.
    #[error(transparent)]
    Case(#[from] CaseError),
    /// Its instrument cannot be played.
    #[error(transparent)]
    Rehearsal(#[from] RehearsalError),
    /// The automatic check leaves no time to measure.
    #[error(transparent)]
    Cycle(#[from] CycleError),
    /// Nobody reads what it says.
    #[error("cannot write to the standard output")]
    Output(#[from] io::Error),
}

/// Runs until `shutdown` is cancelled.
pub async fn run(args: SimulateArgs, shutdown: CancellationToken) -> Result<(), SimulateError> {
    match args.what {
        Simulated::TeledyneT200(args) => analyzer(Model::T200, args, shutdown).await,
        Simulated::TeledyneT300(args) => analyzer(Model::T300, args, shutdown).await,
        Simulated::Replay(args) => replay(args, shutdown).await,
        Simulated::Case(args) => case(args, shutdown).await,
        Simulated::Authority(args) => authority(args, shutdown).await,
    }
}

impl AnalyzerArgs {
    fn options(&self) -> Result<analyzer::Options, CycleError> {
        let cycle = self.zero_every.map(|every| Cycle::new(every, self.zero_for, self.span_for)).transpose()?;
        Ok(analyzer::Options {
            step: self.step,
            start_row: self.start_row,
            no2_share: self.no2_share,
            response: self.response,
            cycle,
            fittings: BTreeSet::from_iter(self.fitted.iter().copied()),
            faults: self.faults.clone(),
        })
    }
}

impl AuthorityArgs {
    fn options(&self) -> authority::Options {
        authority::Options {
            token: self.token.clone(),
            required: self.require.clone(),
            store: self.store.clone(),
            behaviour: self.behaviour.clone(),
        }
    }
}

async fn analyzer(model: Model, args: AnalyzerArgs, shutdown: CancellationToken) -> Result<(), SimulateError> {
    let mut handle = Analyzer::start(model, args.options()?, args.listen).await?;
    say(format_args!("{model}: Modbus TCP on {}, any unit id", handle.address()))?;
    match args.step {
        Duration::ZERO => say(format_args!("holds recorded hour {}", args.start_row))?,
        step => say(format_args!("replays a recorded hour every {step:?}, from hour {}", args.start_row))?,
    }
    for fault in handle.state().faults {
        say(format_args!("fault: {fault:?}"))?;
    }
    if let Some(control) = args.control {
        let control = handle.open_control(control).await?;
        say(format_args!("control: http://{control}/state, /fault, /clear"))?;
    }
    shutdown.cancelled().await;
    handle.shutdown().await;
    Ok(())
}

async fn case(args: CaseArgs, shutdown: CancellationToken) -> Result<(), SimulateError> {
    let case = Case::read(&args.folder)?;
    let played = Rehearsal::start(&case, args.listen).await?;
    say(format_args!("{}", case.about.trim()))?;
    say(format_args!("listens on {}", played.address()))?;
    shutdown.cancelled().await;
    Ok(())
}

async fn replay(args: ReplayArgs, shutdown: CancellationToken) -> Result<(), SimulateError> {
    let script = Script::read(&args.file)?;
    let (exchanges, pushed) = script.size();
    say(format_args!("{}: {exchanges} exchanges, {pushed} frames that nobody asked for", args.file.display()))?;
    match args.connect {
        Some(address) => {
            say(format_args!("connects to {address}"))?;
            script.connect(address, shutdown).await;
        }
        None => {
            let replayed = script.listen(args.listen).await?;
            say(format_args!("listens on {}", replayed.address()))?;
            replayed.run(shutdown).await;
        }
    }
    Ok(())
}

async fn authority(args: AuthorityArgs, shutdown: CancellationToken) -> Result<(), SimulateError> {
    let mut handle = Authority::start(args.options(), args.listen).await?;
    say(format_args!("authority: {0}/v1/averages and {0}/v1/readings", handle.url()))?;
    if let Some(control) = args.control {
        let control = handle.open_control(control).await?;
        say(format_args!("control: http://{control}/received, /control"))?;
    }
    let mut known = handle.received().len();
    loop {
        let new = tokio::select! {
            new = handle.after(known) => new,
            () = shutdown.cancelled() => break,
        };
        known += new.len();
        new.iter().try_for_each(|received| say(format_args!("{}", line(received))))?;
    }
    let report = handle.report();
    say(format_args!("received {}, duplicates {}", report.received.len(), report.duplicates))?;
    handle.shutdown().await;
    Ok(())
}

/// What is printed of a received object.
pub fn line(received: &Received) -> String {
    let object = serde_json::Value::Object(received.object.clone());
    format!("{} {} {} {object}", received.arrived, received.receipt, received.key)
}

fn say(text: std::fmt::Arguments<'_>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

fn fault(text: &str) -> Result<Fault, Infallible> {
    text.parse()
}

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| format!("{text} is not a number"))?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err(format!("{text} is not from 0 to 1")) }
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let duration: jiff::SignedDuration =
        text.parse().map_err(|error| format!("{error}; write it as in 500ms or 20m"))?;
    Duration::try_from(duration).map_err(|_| "a duration cannot be negative".into())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: SimulateArgs,
    }

    fn parsed(line: &str) -> Result<SimulateArgs, clap::Error> {
        Line::try_parse_from(line.split_whitespace()).map(|line| line.args)
    }

    #[test]
    fn the_defaults_of_the_command_line_are_those_of_the_simulators() {
        let Simulated::TeledyneT200(analyzer) = parsed("simulate teledyne-t200").unwrap().what else { panic!() };
        let Simulated::Authority(authority) = parsed("simulate authority").unwrap().what else { panic!() };

        assert_eq!(analyzer.options().unwrap(), analyzer::Options::default());
        assert_eq!(authority.options(), authority::Options::default());
    }

    #[test]
    fn every_option_of_an_analyzer_arrives() {
        let line = "simulate teledyne-t300 --step 500ms --start-row 7 --no2-share 0.1 --response 1m --zero-every 1h \
                    --zero-for 20s --span-for 30s --fitted o2,m_series --fault slow:20 --fault invalid_conc";
        let Simulated::TeledyneT300(args) = parsed(line).unwrap().what else { panic!() };

        let options = args.options().unwrap();

        let seconds = Duration::from_secs;
        assert_eq!(options.step, Duration::from_millis(500));
        assert_eq!((options.start_row, options.no2_share, options.response), (7, 0.1, seconds(60)));
        assert_eq!(options.cycle, Cycle::new(seconds(3_600), seconds(20), seconds(30)).ok());
        assert_eq!(options.fittings, BTreeSet::from([Fitting::O2, Fitting::MSeries]));
        assert_eq!(options.faults, [Fault::Slow { ms: 20 }, Fault::Warning { id: "invalid_conc".into() }]);
    }

    #[test]
    fn what_cannot_be_is_refused_before_anything_starts() {
        let check = |line: &str, expected: &str| {
            let refused = parsed(line).unwrap_err().to_string();
            assert!(refused.contains(expected), "{line}: {refused}");
        };

        check("simulate teledyne-t200 --step fast", "500ms");
        check("simulate teledyne-t200 --step=-1s", "negative");
        check("simulate teledyne-t200 --no2-share 1.5", "0 to 1");
        check("simulate teledyne-t200 --fitted so2", "range3, o2, co2, o3, m_series");
        check("simulate teledyne-t200 --zero-for 5s", "--zero-every");
        check("simulate authority --behaviour sleep", "unavailable");
        check("simulate authority --require mean:real", "name:kind");
    }

    #[tokio::test]
    async fn a_simulator_ends_when_it_is_told_to() {
        let shutdown = CancellationToken::new();
        shutdown.cancel();

        for what in ["teledyne-t200", "teledyne-t300", "authority"] {
            let args = parsed(&format!("simulate {what} --listen 127.0.0.1:0 --control 127.0.0.1:0")).unwrap();
            run(args, shutdown.clone()).await.unwrap();
        }
    }
}
