//! `tutin plugin test`: a driver's cases, without hardware.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;
use futures_util::StreamExt;

use crate::cli::output::say;
use crate::hub::describe;
use crate::kit::case::Case;
use crate::kit::play::{Played, play};
use crate::kit::told;
use crate::notation::counted;
use crate::plugin::Plugin;

/// Cases that are played at once: most of their time is waiting.
const AT_ONCE: usize = 8;

/// Arguments of `tutin plugin test`.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// The driver's folder, with a folder `cases`.
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// The component; without it what `tutin plugin build` made, in the folder's `target` or in that of a checkout around it.
    #[arg(long, value_name = "FILE")]
    plugin: Option<PathBuf>,
    /// Only cases whose name has this text in it.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Take what came as what is expected from now on: writes expected.jsonl of each case. Read the difference before you commit it.
    #[arg(long)]
    bless: bool,
}

/// How one case went.
enum Verdict {
    Passed,
    Blessed(PathBuf),
    Failed { about: String, reason: String },
}

/// Plays the cases. A case that fails, fails the command.
pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { folder, plugin, only, bless } = arguments;
    let file = super::component(plugin.as_deref().unwrap_or(&folder))?;
    let folders = Case::folders(&folder.join("cases")).map_err(|error| anyhow::anyhow!("{}", describe(&error)))?;
    let name = |folder: &Path| folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let named = folders.into_iter().map(|folder| (name(&folder), folder));
    let cases: Vec<(String, PathBuf)> =
        named.filter(|(name, _)| only.as_ref().is_none_or(|text| name.contains(text.as_str()))).collect();
    if cases.is_empty() {
        bail!("no case of {} has {:?} in its name", folder.join("cases").display(), only.unwrap_or_default());
    }
    let (plugin, state) = (super::load(&file).await?, super::state()?);
    say(format_args!("{}, sha256 {}", file.display(), plugin.digest.get(..16).unwrap_or_default()));
    let width = cases.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut failed = 0;
    let number = cases.len();
    let mut verdicts = futures_util::stream::iter(cases)
        .map(|(name, folder)| {
            let (plugin, state) = (Arc::clone(&plugin), state.clone());
            async move {
                let verdict = one(plugin, &folder, &state, bless).await;
                (name, verdict)
            }
        })
        .buffered(AT_ONCE);
    while let Some((name, (verdict, seconds))) = verdicts.next().await {
        match verdict {
            Verdict::Passed => say(format_args!("  {name:<width$}  {seconds:5.2} s  passed")),
            Verdict::Blessed(file) => {
                say(format_args!("  {name:<width$}  {seconds:5.2} s  written: {}", file.display()));
            }
            Verdict::Failed { about, reason } => {
                failed += 1;
                let about = if about.is_empty() { about } else { format!(": {about}") };
                say(format_args!("  {name:<width$}  {seconds:5.2} s  FAILED{about}\n{}", indented(&reason)));
            }
        }
    }
    say(format_args!("{}, {failed} failed", counted(number, "case")));
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A case that cannot be read fails like any other: the others are played.
async fn one(plugin: Arc<Plugin>, folder: &Path, state: &Path, bless: bool) -> (Verdict, f64) {
    let (about, judged, seconds) = match Case::read(folder) {
        Err(error) => (String::new(), Err(describe(&error)), 0.0),
        Ok(case) => match play(plugin, &case, state).await {
            Err(error) => (case.about, Err(describe(&error)), 0.0),
            Ok(played) => {
                let judged = judge(&case, &played, bless).unwrap_or_else(|error| Err(format!("{error:#}")));
                (case.about, judged, played.took.as_secs_f64())
            }
        },
    };
    let about = about.trim().to_owned();
    (judged.unwrap_or_else(|reason| Verdict::Failed { about, reason }), seconds)
}

/// How it went, or why it failed.
fn judge(case: &Case, played: &Played, bless: bool) -> anyhow::Result<Result<Verdict, String>> {
    if !played.problems.is_empty() {
        let told = told::write(&played.told);
        return Ok(Err(format!("{}\nwhat came:\n{told}", played.problems.join("\n"))));
    }
    let file = case.expected();
    if bless {
        fs::write(&file, told::write(&played.told)).with_context(|| format!("cannot write {}", file.display()))?;
        return Ok(Ok(Verdict::Blessed(file)));
    }
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let told = told::write(&played.told);
            let reason = format!("there is no {} yet; if this is right, run it with --bless:\n{told}", file.display());
            return Ok(Err(reason));
        }
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", file.display())),
    };
    let expected = told::parse(&text).map_err(|reason| anyhow::anyhow!("{}: {reason}", file.display()))?;
    Ok(told::difference(&expected, &played.told).map_or(Ok(Verdict::Passed), Err))
}

fn indented(text: &str) -> String {
    text.trim_end().lines().map(|line| format!("    {line}\n")).collect()
}
