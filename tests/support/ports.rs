//! Ports for programs that cannot be told to take any.

use std::hash::{BuildHasher, RandomState};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// Below those that the system gives to outgoing connections: on a busy machine one of these would be gone before it is used.
const PORTS: Range<u16> = 20_000..32_000;

/// Where the search goes on: each test binary begins somewhere else, and no port is given twice in one.
static NEXT: LazyLock<AtomicU16> = LazyLock::new(|| AtomicU16::new(RandomState::new().hash_one(0_u8) as u16));

/// A port of the loopback interface that nobody listens on. Another program could take it before it is used; programs
/// that can bind port 0 and say what they got should do that.
pub fn free() -> u16 {
    let count = PORTS.end - PORTS.start;
    let candidates = (0..count).map(|_| PORTS.start + NEXT.fetch_add(1, Ordering::Relaxed) % count);
    let mut free = candidates.filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    free.next().expect("every port is taken")
}

/// Waits until somebody accepts connections there; false when nobody did in time.
pub fn wait_until_open(port: u16, longest: Duration) -> bool {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let deadline = Instant::now() + longest;
    while Instant::now() < deadline {
        if TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}
