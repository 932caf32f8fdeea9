//! Tables: words to the left, numbers to the right.

use std::time::Duration;

/// Prints a table under a title; the first line of cells is its head, the first column has words.
pub fn print<const N: usize>(title: &str, lines: &[[String; N]]) {
    let widths: Vec<usize> = (0..N)
        .map(|at| lines.iter().filter_map(|line| line.get(at)).map(|cell| cell.len()).max().unwrap_or(0))
        .collect();
    println!("\n{title}");
    for line in lines {
        let cells = line.iter().zip(&widths).enumerate().map(|(at, (cell, width))| match at {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        println!("  {}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}

/// The head of a table.
pub fn head<const N: usize>(words: [&str; N]) -> [String; N] {
    words.map(str::to_owned)
}

/// So many in a second.
pub fn rate(count: u64, took: Duration) -> String {
    format!("{:.0}", count as f64 / took.as_secs_f64().max(1e-9))
}

/// Microseconds for each.
pub fn each_us(nanoseconds: u64, count: u64) -> String {
    format!("{:.3}", nanoseconds as f64 / 1e3 / count.max(1) as f64)
}

/// Milliseconds.
pub fn ms(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1e3)
}

/// Millions of bytes.
pub fn mb(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1e6)
}

/// The value below which this share of the values lies.
pub fn percentile(values: &mut [Duration], share: f64) -> Duration {
    values.sort_unstable();
    let last = values.len().saturating_sub(1);
    values.get((last as f64 * share).round() as usize).copied().unwrap_or_default()
}
