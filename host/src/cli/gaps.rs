//! `tutin gaps`: which blocks have not enough valid data, why, and how many of the month's are there.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use jiff::tz::TimeZone;

use super::origin::{Origin, moment};
use super::output::say;
use crate::journal::{GapRow, Reader};
use crate::time::Timestamp;

/// Arguments of `tutin gaps`.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    #[command(flatten)]
    origin: Origin,
    /// First moment: RFC 3339 or a date.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    from: Timestamp,
    /// The moment after the last one; now when left out.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    to: Option<Timestamp>,
    /// Whose months are counted, as in Asia/Almaty.
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    zone: String,
    /// Only this source.
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// One JSON object in each line instead of a table.
    #[arg(long)]
    json: bool,
}

/// Blocks of one cause that stand one behind the other.
#[derive(Debug, PartialEq, Eq)]
struct Period {
    first: GapRow,
    blocks: u64,
    end: Timestamp,
}

/// Lists.
pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let zone = TimeZone::get(&arguments.zone).with_context(|| format!("--zone {}", arguments.zone))?;
    let during = arguments.from..arguments.to.unwrap_or_else(Timestamp::now);
    if during.start >= during.end {
        bail!("--from {} is not before --to {}", during.start, during.end);
    }
    let reader = arguments.origin.reader()?;
    let wanted = |source: &str| arguments.source.as_deref().is_none_or(|wanted| wanted == source);
    let gaps: Vec<GapRow> = reader.gaps(during.clone())?.into_iter().filter(|gap| wanted(&gap.source)).collect();
    let periods = periods(gaps);
    for period in &periods {
        say(format_args!("{}", if arguments.json { json(period) } else { line(period) }));
    }
    if periods.is_empty() && !arguments.json {
        say(format_args!("no gap from {} to {}", during.start, during.end));
    }
    for (name, from, to) in months(during.start, during.end, &zone)? {
        month(&reader, &name, from, to, arguments.json, wanted)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn periods(gaps: Vec<GapRow>) -> Vec<Period> {
    let mut periods: Vec<Period> = Vec::new();
    for gap in gaps {
        let end = gap.start.after(Duration::from_secs(gap.length_s));
        match periods.last_mut() {
            Some(last) if last.end == gap.start && same(&last.first, &gap) => {
                (last.blocks, last.end) = (last.blocks + 1, end)
            }
            _ => periods.push(Period { first: gap, blocks: 1, end }),
        }
    }
    periods
}

fn same(one: &GapRow, other: &GapRow) -> bool {
    let of = |gap: &GapRow| {
        let GapRow { source, parameter, rule_set, length_s, cause, detail, .. } = gap.clone();
        (source, parameter, rule_set, length_s, cause, detail)
    };
    of(one) == of(other)
}

fn line(period: &Period) -> String {
    let GapRow { source, parameter, rule_set, start, cause, detail, .. } = &period.first;
    let blocks = if period.blocks == 1 { "block" } else { "blocks" };
    let detail = if detail.is_empty() { String::new() } else { format!(": {detail}") };
    format!(
        "{source:<12} {parameter:<8} {rule_set:<10} {start} to {}  {} {blocks}  {cause}{detail}",
        period.end, period.blocks
    )
}

fn json(period: &Period) -> String {
    let GapRow { source, parameter, rule_set, start, length_s, cause, detail } = &period.first;
    serde_json::json!({ "gap": { "source": source, "parameter": parameter, "rule_set": rule_set, "from": start, "to": period.end,
        "blocks": period.blocks, "length_s": length_s, "cause": cause, "detail": detail } })
    .to_string()
}

/// The whole months that a period touches.
fn months(from: Timestamp, to: Timestamp, zone: &TimeZone) -> anyhow::Result<Vec<(String, Timestamp, Timestamp)>> {
    let civil =
        |at: Timestamp| jiff::Timestamp::from_nanosecond(i128::from(at.0)).map(|at| at.to_zoned(zone.clone()).date());
    let (mut month, last) = (civil(from)?.first_of_month(), civil(Timestamp(to.0.saturating_sub(1)))?);
    let start = |date: jiff::civil::Date| -> anyhow::Result<Timestamp> {
        let nanoseconds = date.to_zoned(zone.clone())?.timestamp().as_nanosecond();
        Ok(Timestamp(i64::try_from(nanoseconds)?))
    };
    let mut months = Vec::new();
    while month <= last {
        let next = month.checked_add(jiff::Span::new().months(1))?;
        months.push((format!("{:04}-{:02}", month.year(), month.month()), start(month)?, start(next)?));
        month = next;
    }
    Ok(months)
}

fn month(
    reader: &Reader,
    name: &str,
    from: Timestamp,
    to: Timestamp,
    as_json: bool,
    wanted: impl Fn(&str) -> bool,
) -> anyhow::Result<()> {
    for count in reader.block_counts(from..to)?.into_iter().filter(|count| wanted(&count.source)) {
        let all = to.since(from).as_secs() / count.length_s.max(1);
        let over = to.min(Timestamp::now()).since(from).as_secs() / count.length_s.max(1);
        let (absent, ahead) = (over.saturating_sub(count.closed), all - over.min(all));
        if as_json {
            say(format_args!(
                "{}",
                serde_json::json!({ "month": { "month": name, "source": count.source, "parameter": count.parameter,
                    "rule_set": count.rule_set, "length_s": count.length_s, "valid": count.valid, "of": all,
                    "lost": count.closed - count.valid, "absent": absent, "not_over_yet": ahead } })
            ));
            continue;
        }
        let (source, parameter, rule_set) = (&count.source, &count.parameter, &count.rule_set);
        let lost = count.closed - count.valid;
        say(format_args!(
            "{source:<12} {parameter:<8} {rule_set:<10} {name}: {} of {all} valid, {lost} lost, {absent} not there, {ahead} not over yet",
            count.valid
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_of_31_days_has_2232_blocks_of_20_minutes() {
        let zone = TimeZone::get("UTC").unwrap();
        let months =
            months("2026-10-05T00:00:00Z".parse().unwrap(), "2026-11-02T00:00:00Z".parse().unwrap(), &zone).unwrap();
        let blocks: Vec<_> =
            months.iter().map(|(name, from, to)| (name.as_str(), to.since(*from).as_secs() / 1200)).collect();
        assert_eq!(blocks, [("2026-10", 2232), ("2026-11", 2160)]);
    }

    #[test]
    fn blocks_of_one_cause_are_one_period() {
        let gap = |start: i64, cause: &str| GapRow {
            source: "s".into(),
            parameter: "NO2".into(),
            rule_set: "kz-20min".into(),
            start: Timestamp::from_seconds(start),
            length_s: 1200,
            cause: cause.into(),
            detail: String::new(),
        };
        let found = periods(vec![gap(0, "link"), gap(1200, "link"), gap(2400, "hub_down"), gap(4800, "hub_down")]);
        let found: Vec<_> = found.iter().map(|period| (period.blocks, period.end.0 / 1_000_000_000)).collect();
        assert_eq!(found, [(2, 2400), (1, 3600), (1, 6000)]);
    }
}
