//! Instruments in this process that answer every read at once, and note when each of them was asked.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Units of one address; each counts up in its registers.
pub struct Instruments {
    address: String,
    asked: Arc<Mutex<BTreeMap<u8, Vec<Instant>>>>,
}

impl Instruments {
    /// Listens on a free port. The threads end with their connections, and the last with the process.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked: Arc<Mutex<BTreeMap<u8, Vec<Instant>>>> = Arc::default();
        let notes = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let notes = Arc::clone(&notes);
                std::thread::spawn(move || serve(stream, &notes));
            }
        });
        Instruments { address, asked }
    }

    /// host:port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// By how much the pauses between the requests to each unit differed from the beat, sorted; and forgets them.
    pub fn jitter(&self, beat: Duration) -> Vec<Duration> {
        let asked = std::mem::take(&mut *self.asked.lock().unwrap());
        let pauses = asked.values().flat_map(|times| times.windows(2).map(|pair| pair[1] - pair[0]));
        let mut jitter: Vec<Duration> = pauses.map(|pause| pause.abs_diff(beat)).collect();
        jitter.sort();
        jitter
    }

    /// How many units have been asked since the last [`Instruments::jitter`].
    pub fn units_asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

/// One connection: `| transaction 2 | 0 0 | length 2 | unit | function | address 2 | count 2 |` in, as many registers out
/// (Modbus Messaging on TCP/IP Implementation Guide V1.0b, 3.1).
fn serve(mut stream: TcpStream, asked: &Mutex<BTreeMap<u8, Vec<Instant>>>) {
    stream.set_nodelay(true).unwrap();
    let mut request = [0; 12];
    let mut turn = 0_u8;
    while stream.read_exact(&mut request).is_ok() {
        let unit = request[6];
        asked.lock().unwrap().entry(unit).or_default().push(Instant::now());
        turn = turn.wrapping_add(1);
        let bytes = 2 * request[11];
        let mut reply = vec![request[0], request[1], 0, 0, 0, bytes + 3, unit, request[7], bytes];
        reply.extend((0..bytes).map(|_| turn));
        if stream.write_all(&reply).is_err() {
            return;
        }
    }
}
