//! What became of each answer of a device: asked for in time, and arrived once and whole.

use std::collections::BTreeMap;
use std::time::Duration;

use super::stamp;

/// Polls that the schedule asked for between the two moments and that the device never saw. A poll that was late is not missed;
/// `stamps` are the answers between the moments, in order.
pub fn missed(stamps: &[u64], from: u64, to: u64, interval: Duration) -> u64 {
    let interval = u64::try_from(interval.as_micros()).unwrap_or(u64::MAX);
    let (Some(first), Some(last)) = (stamps.first(), stamps.last()) else {
        return (to - from).checked_div(interval).unwrap_or(1);
    };
    if interval == 0 {
        return 0;
    }
    let due = 1 + (last - first + interval / 2) / interval;
    // A poll that falls on the edge may be a little early or late, hence the half.
    let left_out = |silence: u64| silence.saturating_sub(interval / 2) / interval;
    let at_the_edges = left_out(first - from) + left_out(to - last);
    (due + at_the_edges).saturating_sub(stamps.len() as u64)
}

/// What arrived at a sink.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Arrived {
    /// Microseconds from the device's time stamp to the sink.
    pub latencies: Vec<u64>,
    /// Answers that did not arrive.
    pub lost: u64,
    /// Answers that arrived again.
    pub doubled: u64,
    /// Lines that are not one whole answer, with the reason.
    pub torn: Vec<String>,
}

/// Compares what the devices answered with the lines that arrived, `{"device":"d7",…,"r0":…,"r1":…}` each.
pub fn arrived<'a>(answered: &[Vec<u64>], lines: impl Iterator<Item = (u64, &'a [u8])>, registers: u16) -> Arrived {
    let mut open: Vec<BTreeMap<u64, u64>> =
        answered.iter().map(|stamps| stamps.iter().map(|stamp| (*stamp, 0)).collect()).collect();
    let mut arrived = Arrived::default();
    for (moment, line) in lines.filter(|(_, line)| line.starts_with(b"{")) {
        match read(line, registers) {
            Err(reason) => arrived.torn.push(reason),
            Ok((device, stamp)) => {
                let times = open.get_mut(device).and_then(|stamps| stamps.get_mut(&stamp));
                // Answers before and after the measured time are of no interest.
                let Some(times) = times else { continue };
                *times += 1;
                if *times == 1 {
                    arrived.latencies.push(moment.saturating_sub(stamp));
                } else {
                    arrived.doubled += 1;
                }
            }
        }
    }
    arrived.lost = open.iter().flat_map(BTreeMap::values).filter(|times| **times == 0).count() as u64;
    arrived
}

fn read(line: &[u8], registers: u16) -> Result<(usize, u64), String> {
    let show = || String::from_utf8_lossy(line).chars().take(200).collect::<String>();
    let object: serde_json::Value = serde_json::from_slice(line).map_err(|error| format!("{error}: {}", show()))?;
    let device = object.get("device").and_then(|name| name.as_str()?.strip_prefix('d')?.parse().ok());
    let device = device.ok_or_else(|| format!("no device: {}", show()))?;
    let word = |address: u16| -> Option<u16> {
        let value = object.get(format!("r{address}"))?.as_f64()?;
        let word = value as u16;
        (f64::from(word) == value).then_some(word)
    };
    let words: Option<Vec<u16>> = (0..registers).map(word).collect();
    let words = words.ok_or_else(|| format!("not {registers} registers: {}", show()))?;
    Ok((device, stamp::read(&words)?))
}

/// The value below which this share of the values lies.
pub fn percentile(values: &mut [u64], share: f64) -> Option<u64> {
    values.sort_unstable();
    let last = values.len().checked_sub(1)?;
    values.get((last as f64 * share).round() as usize).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    #[test]
    fn a_poll_that_is_late_is_not_missed_and_one_that_is_left_out_is() {
        let check = |millis: &[u64], expected: u64| {
            let stamps: Vec<u64> = millis.iter().map(|millis| millis * 1_000).collect();
            assert_eq!(missed(&stamps, 0, 5 * SECOND, Duration::from_secs(1)), expected, "{millis:?}");
        };
        check(&[500, 1500, 2500, 3500, 4500], 0);
        check(&[500, 1500, 3300, 3500, 4500], 0);
        check(&[1003, 2000, 3000, 3997], 0);
        check(&[500, 1500, 3500, 4500], 1);
        check(&[1500, 2500, 3500, 4500], 1);
        check(&[500, 1500, 2500, 3500], 1);
        check(&[], 5);
    }

    #[test]
    fn as_fast_as_it_answers_misses_nothing_but_silence() {
        assert_eq!(missed(&[1, 2, 900_000], 0, SECOND, Duration::ZERO), 0);
        assert_eq!(missed(&[], 0, SECOND, Duration::ZERO), 1);
    }

    fn line(device: usize, stamp: u64) -> Vec<u8> {
        let mut line = format!("{{\"device\":\"d{device}\",\"at\":\"x\"");
        for address in 0..6 {
            line.push_str(&format!(",\"r{address}\":{}", stamp::register(stamp, address)));
        }
        line.push_str("}\n");
        line.into_bytes()
    }

    #[test]
    fn lost_doubled_and_torn_answers_are_told_apart() {
        let torn = String::from_utf8(line(0, 40)).unwrap().replace("\"r3\":40", "\"r3\":41").into_bytes();
        let lines = [
            (15, line(0, 10)),
            (26, line(1, 20)),
            (27, line(1, 20)),
            (50, torn),
            (99, line(0, 90)),
            (0, b"started\n".to_vec()),
        ];
        let lines = lines.iter().map(|(moment, line)| (*moment, line.as_slice()));

        let arrived = arrived(&[vec![10, 30], vec![20]], lines, 6);

        assert_eq!((arrived.latencies, arrived.lost, arrived.doubled), (vec![5, 6], 1, 1));
        assert_eq!(arrived.torn.len(), 1);
    }

    #[test]
    fn a_line_with_a_register_too_few_is_torn() {
        let line = line(0, 10);
        let arrived = arrived(&[vec![10]], [(11, line.as_slice())].into_iter(), 7);
        assert_eq!((arrived.torn.len(), arrived.lost), (1, 1));
    }

    #[test]
    fn percentiles_of_a_hundred_values() {
        let mut values: Vec<u64> = (0..=100).rev().collect();
        assert_eq!(percentile(&mut values, 0.5), Some(50));
        assert_eq!(percentile(&mut values, 0.99), Some(99));
        assert_eq!(percentile(&mut [], 0.5), None);
    }
}
