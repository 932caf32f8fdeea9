//! Records, answered by a logger in memory.

use super::*;

/// Records of every minute from 05:00 local time on, the newest last.
struct Logger {
    first: u32,
    count: u32,
    with_names: bool,
}

impl Logger {
    fn answer(&self, command: &str) -> String {
        let reply = match command {
            "time" => "05:40".to_owned(),
            "date" => "11-01-26".to_owned(),
            "o3" => "31 ppb".to_owned(),
            "pres" => "740 mm Hg".to_owned(),
            "flags" => "00000000".to_owned(),
            "lrec layout" => "%s %s %lx %f %f time date flags o3 lpm".to_owned(),
            _ => self.records(command.strip_prefix("lrec ").unwrap()),
        };
        format!("{command} {reply}\r")
    }

    fn records(&self, arguments: &str) -> String {
        let (back, count) = arguments.split_once(' ').unwrap();
        let (back, count): (u32, u32) = (back.parse().unwrap(), count.parse().unwrap());
        assert!(count <= 10, "at most ten records a call");
        let Some(at) = self.count.checked_sub(back) else { return String::new() };
        (at..self.count.min(at + count)).map(|at| self.record(self.first + at)).collect::<Vec<_>>().join("\r")
    }

    fn record(&self, minute: u32) -> String {
        let flags = if minute == 5 { "20000000" } else { "00000000" };
        let time = format!("{:02}:{:02} 11-01-26", 5 + minute / 60, minute % 60);
        if self.with_names {
            format!("{time} flags {flags} o3 {minute}.5 lpm 1.0")
        } else {
            format!("{time} {flags} {minute}.5 1.0")
        }
    }
}

fn logging(logger: impl Fn(&str) -> String + 'static) -> (Line, ThermoClink<Line>) {
    let line = Line::new(move |request| {
        let command = String::from_utf8(request[1..request.len() - 1].to_vec()).unwrap();
        let text = logger(&command);
        Ok(text.split_inclusive('\r').map(|frame| frame.as_bytes().to_vec()).collect())
    });
    let driver = open(&line, settings()).unwrap();
    (line, driver)
}

/// Minutes and values of the first point in a whole history, and what the rest says.
fn history(driver: &mut ThermoClink<Line>, begin: &str, end: &str) -> Vec<Sample> {
    let (mut samples, mut next) = (Vec::new(), String::new());
    for _ in 0..50 {
        let page = driver.backfill(instant(begin), instant(end), &next).unwrap();
        samples.extend(page.samples.iter());
        next = page.next;
        if next.is_empty() {
            return samples;
        }
    }
    panic!("the history has no end");
}

fn minutes(samples: &[Sample]) -> Vec<i64> {
    let start = instant("2026-11-01T00:00:00Z").0;
    let of = samples.iter().filter(|sample| sample.point == 0);
    of.map(|sample| (sample.time.unwrap().0 - start) / 60_000_000_000).collect()
}

#[test]
fn records_are_read_back_in_pages_without_a_gap() {
    let (line, mut driver) = logging(|command| Logger { first: 0, count: 40, with_names: true }.answer(command));

    let samples = history(&mut driver, "2026-11-01T00:03:00Z", "2026-11-01T00:33:00Z");

    assert_eq!(minutes(&samples), (3..33).collect::<Vec<_>>());
    let first = samples[0];
    assert_eq!((first.value, first.state, first.time), (3.5, State::Valid, Some(instant("2026-11-01T00:03:00Z"))));
    let maintenance: Vec<_> = samples.iter().filter(|sample| sample.state == State::Maintenance).collect();
    assert_eq!(maintenance.len(), 2, "both values of minute 5");
    assert_eq!(maintenance[0].status, Some(0x2000_0000));
    assert_eq!(driver.points()[3].id, "lrec_lpm");
    assert!(line.sent().len() < 25);
}

#[test]
fn records_without_names_take_them_from_the_layout() {
    let (_, mut driver) = logging(|command| Logger { first: 0, count: 5, with_names: false }.answer(command));

    let samples = history(&mut driver, "2026-11-01T00:00:00Z", "2026-11-01T01:00:00Z");

    assert_eq!(minutes(&samples), [0, 1, 2, 3, 4]);
    assert_eq!(driver.points()[3].id, "lrec_lpm");
}

/// A logger to which so many records are added with each page that is read.
fn growing(mut growth: impl FnMut(u32) -> u32 + 'static) -> (Line, ThermoClink<Line>) {
    let state = std::cell::RefCell::new((0, 40, move |page| growth(page)));
    logging(move |command| {
        let (page, count, growth) = &mut *state.borrow_mut();
        if command.ends_with(" 10") {
            *page += 1;
            *count += growth(*page);
        }
        Logger { first: 0, count: *count, with_names: true }.answer(command)
    })
}

#[test]
fn records_in_any_order_come_out_oldest_first() {
    let (_, mut driver) = logging(|command| {
        let answer = Logger { first: 0, count: 8, with_names: true }.answer(command);
        let Some(records) = answer.strip_prefix(command).filter(|_| command.starts_with("lrec ")) else {
            return answer;
        };
        let mut records: Vec<&str> = records.trim().split('\r').collect();
        records.reverse();
        format!("{command} {}\r", records.join("\r"))
    });

    let samples = history(&mut driver, "2026-11-01T00:00:00Z", "2026-11-01T01:00:00Z");

    assert_eq!(minutes(&samples), (0..8).collect::<Vec<_>>());
}

#[test]
fn records_that_come_while_older_ones_are_read_leave_no_gap() {
    let check = |growth: fn(u32) -> u32| {
        let (_, mut driver) = growing(growth);
        let samples = history(&mut driver, "2026-11-01T00:03:00Z", "2026-11-01T00:33:00Z");
        assert_eq!(minutes(&samples), (3..33).collect::<Vec<_>>());
    };
    check(|_| 1);
    check(|_| 2);
    check(|page| if page == 2 { 7 } else { 0 });
}

#[test]
fn a_logger_that_is_faster_than_its_line_does_not_hold_the_history_up() {
    let (_, mut driver) = growing(|_| 4);

    let samples = history(&mut driver, "2026-11-01T00:00:00Z", "2026-11-01T00:33:00Z");

    assert_eq!(minutes(&samples).last(), Some(&32));
}

#[test]
fn a_history_goes_on_in_the_next_instance() {
    let (line, mut driver) = logging(|command| Logger { first: 0, count: 40, with_names: true }.answer(command));
    let (begin, end) = (instant("2026-11-01T00:00:00Z"), instant("2026-11-01T00:30:00Z"));
    let page = driver.backfill(begin, end, "").unwrap();
    assert!(format!("{:?}", page.samples).contains("points_changed: true"), "lrec_lpm is new");
    let last = page.samples.iter().last().unwrap().time.unwrap();

    let mut next = open(&line, settings()).unwrap();
    let page = next.backfill(begin, end, &page.next).unwrap();

    let first = page.samples.iter().next().unwrap().time.unwrap();
    assert_eq!(first.0 - last.0, 60_000_000_000);
    assert!(next.backfill(begin, end, "{").unwrap_err().to_string().starts_with("place in the records: "));
}

#[test]
fn an_empty_logger_has_no_history() {
    let (_, mut driver) = logging(|command| Logger { first: 0, count: 0, with_names: true }.answer(command));

    assert_eq!(history(&mut driver, "2026-11-01T00:00:00Z", "2026-11-01T01:00:00Z"), []);
}

#[test]
fn records_of_a_wrong_clock_are_refused() {
    let (_, mut driver) = logging(|command| Logger { first: 0, count: 5, with_names: true }.answer(command));
    driver.poll(instant("2026-11-01T00:50:00Z")).unwrap();

    let failure = driver.backfill(instant("2026-11-01T00:00:00Z"), instant("2026-11-01T01:00:00Z"), "").unwrap_err();

    assert_eq!(
        failure.to_string(),
        "the instrument's clock is off by -600 s (05:40 11-01-26); its records are not read"
    );
}

#[test]
fn units_and_values_of_records_outlive_the_instance() {
    let (line, mut driver) = logging(|command| Logger { first: 0, count: 5, with_names: true }.answer(command));
    let first = driver.poll(instant("2026-11-01T00:40:00Z")).unwrap();
    history(&mut driver, "2026-11-01T00:00:00Z", "2026-11-01T01:00:00Z");

    let mut next = open(&line, settings()).unwrap();
    next.restore(&driver.snapshot()).unwrap();

    assert!(format!("{first:?}").contains("points_changed: true"));
    assert_eq!(next.points(), driver.points());
    assert_eq!(next.points()[0].unit, "[ppb]");
    assert!(next.restore(b"[").unwrap_err().to_string().starts_with("snapshot: "));
}
