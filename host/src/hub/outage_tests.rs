//! An authority that is away for three days, in compressed time: what waits goes out in order, and what is new does not wait for it.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::queue::{JournalQueue, ReadingRoutes};
use super::units::SinkUnit;
use crate::average::{Average, AverageKey};
use crate::config::model;
use crate::journal::tests::{Script, close, derived};
use crate::journal::{Derived, Journal};
use crate::simulator::Authority;
use crate::simulator::authority::{Behaviour, Options, Received};
use crate::sink::Built;
use crate::time::Timestamp;

const PARAMETERS: usize = 500;
const BLOCK: Duration = Duration::from_secs(1200);
/// 72 h of blocks of 20 minutes.
const BLOCKS: u32 = 216;
const PATIENCE: Duration = Duration::from_secs(180);

/// One block of every parameter, ending at this moment.
fn blocks(ends: Timestamp) -> Vec<Derived> {
    let block = |parameter: usize| {
        let key = AverageKey {
            source: format!("stack-{}", parameter / 10),
            parameter: format!("P{}", parameter % 10),
            rule_set: "kz-20min".into(),
            start: ends.before(BLOCK),
            revision: 0,
        };
        let delivery = format!("hub/{}/{}/{}/0", key.source, key.parameter, key.start);
        let average = Average { key, ..derived(0, "authority").average };
        Derived { average, deliveries: vec![("authority".into(), delivery)], gap: None, hold: None }
    };
    (0..PARAMETERS).map(block).collect()
}

fn sink(folder: &std::path::Path, url: &str) -> model::Sink {
    let file = folder.join("tutin.toml");
    let text = format!(
        "[sinks.authority]\ntype = \"http_json\"\nurl = \"{url}/v1/averages\"\nbatch = 500\nretry_min = \"50ms\"\nretry_max = \"200ms\"\n\
         late_after = \"30s\"\nhistory_rate = 20000\n"
    );
    std::fs::write(&file, text).unwrap();
    let loaded = crate::config::load(&[file], std::iter::empty());
    loaded.config.unwrap_or_else(|| panic!("{:?}", loaded.problems)).sinks.remove("authority").unwrap()
}

async fn stored(journal: &Journal, script: &Script, derived: Vec<Derived>) {
    let mut written = journal.written();
    script.give(derived);
    while script.has_some() {
        written.changed().await.unwrap();
    }
    journal.flush().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_days_of_500_parameters_arrive_in_order_and_new_blocks_do_not_wait_for_them() {
    // given an authority that is not there, and three days of blocks for it
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::start(Options::default(), "127.0.0.1:0".parse().unwrap()).await.unwrap();
    authority.set_behaviour(Behaviour::Vanish).await.unwrap();
    let script = Script::default();
    let settings = model::Journal { commit_interval: Duration::from_millis(20), ..model::Journal::default() };
    let file = folder.path().join("journal.sqlite");
    let (journal, running) = Journal::open(&file, &settings, script.clone()).unwrap();
    let key = sink(folder.path(), &authority.url());
    let routes = Arc::new(ReadingRoutes::default());
    let queue = JournalQueue::open("hub", "authority", &journal, &routes, &key.delivery).await.unwrap();
    let built = Built::from_config("hub", &key).unwrap();
    let unit = SinkUnit::start("authority", key, built, queue);
    let now = Timestamp::now();
    for block in 0..BLOCKS {
        stored(&journal, &script, blocks(now.before(BLOCK * (BLOCKS - block)))).await;
    }
    assert_eq!(authority.received().len(), 0);

    // when it is back, and a new block of every parameter closes each second meanwhile
    authority.set_behaviour(Behaviour::Accept).await.unwrap();
    let begin = Instant::now();
    let all = BLOCKS as usize * PARAMETERS;
    let (mut live, mut drained) = (BTreeMap::new(), None);
    while drained.is_none() {
        assert!(begin.elapsed() < PATIENCE, "{} of {all} after {PATIENCE:?}", authority.report().received.len());
        let ends = Timestamp::now();
        live.insert(ends.before(BLOCK), ends);
        stored(&journal, &script, blocks(ends)).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        if authority.report().received.len() >= all + live.len() * PARAMETERS {
            drained = Some(begin.elapsed());
        }
    }

    // then each is there once, the late ones in order and marked, the new ones soon
    let report = authority.report();
    let keys: HashSet<&str> = report.received.iter().map(|received| received.key.as_str()).collect();
    assert_eq!(keys.len(), all + live.len() * PARAMETERS);
    assert_eq!(report.differing, 0);
    let start = |received: &Received| -> Timestamp { received.object["start"].as_str().unwrap().parse().unwrap() };
    let mut delays = Vec::new();
    let mut last: BTreeMap<String, Timestamp> = BTreeMap::new();
    for received in &report.received {
        let is_marked = received.object["qualifiers"].to_string().contains("late");
        let start = start(received);
        match live.get(&start) {
            Some(closed) => {
                assert!(!is_marked, "{}", received.key);
                delays.push(received.arrived.since(*closed));
            }
            None => {
                let of = format!("{}/{}", received.object["source"], received.object["parameter"]);
                let before = last.insert(of, start);
                assert!(before.is_none_or(|before| before < start), "{} is out of order", received.key);
                assert!(is_marked, "{}", received.key);
            }
        }
    }
    delays.sort();
    let (middle, longest) = (delays[delays.len() / 2], delays[delays.len() - 1]);
    println!(
        "{all} late averages in {:.1?}, {} new ones meanwhile: half within {middle:.0?}, all within {longest:.0?}",
        drained.unwrap(),
        delays.len()
    );
    assert!(middle < Duration::from_secs(2), "new blocks took {middle:?}");
    unit.stop.cancel();
    unit.end("authority").await;
    close(journal, running).await;
}
