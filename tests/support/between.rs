//! A stretch of network between two programs, on which a test can make things go wrong.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::watch;

use super::ports;

/// What becomes of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Open,
    Refusing,
    Resetting,
    Silent,
    /// Only the first half of what comes back passes.
    Cutting,
    /// Other bytes come before what comes back.
    Noisy,
    Over,
}

/// What is so at the moment, and since which cut connections are real.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    mode: Mode,
    life: u32,
}

/// A port that passes connections on to another address. Dropping it ends it.
pub struct Between {
    port: u16,
    state: watch::Sender<State>,
}

impl Between {
    /// Passes on to this address, where nobody needs to listen yet.
    pub fn start(to: SocketAddr) -> Self {
        // Not one that the system takes for another connection while new ones are refused.
        let port = ports::free();
        let listener = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
        let (state, told) = watch::channel(State { mode: Mode::Open, life: 0 });
        std::thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(listen(listener, to, told));
        });
        Between { port, state }
    }

    /// `127.0.0.1:port`.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Connections are closed, and new ones refused.
    pub fn refuse(&self) {
        self.set(Mode::Refusing);
        while std::net::TcpStream::connect(self.address()).is_ok() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }

    /// Connections are reset, new ones as soon as they are made.
    pub fn reset(&self) {
        self.set(Mode::Resetting);
    }

    /// Nothing passes; it is not lost.
    pub fn fall_silent(&self) {
        self.set(Mode::Silent);
    }

    /// Of what comes back only the first half passes, piece by piece.
    pub fn cut_short(&self) {
        self.set(Mode::Cutting);
    }

    /// Before each piece of what comes back stand other bytes.
    pub fn make_noise(&self) {
        self.set(Mode::Noisy);
    }

    /// Connections of now pass nothing any more, and nobody is told; new ones do.
    pub fn forget_connections(&self) {
        self.state.send_modify(|state| state.life += 1);
    }

    /// All is well again.
    pub fn heal(&self) {
        self.set(Mode::Open);
    }

    fn set(&self, mode: Mode) {
        self.state.send_modify(|state| state.mode = mode);
    }
}

impl Drop for Between {
    fn drop(&mut self) {
        self.set(Mode::Over);
    }
}

async fn listen(listener: std::net::TcpListener, to: SocketAddr, mut told: watch::Receiver<State>) {
    let at = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    let mut listener = Some(TcpListener::from_std(listener).unwrap());
    loop {
        let state = *told.borrow_and_update();
        match state.mode {
            Mode::Over => return,
            Mode::Refusing => listener = None,
            _ if listener.is_none() => listener = Some(TcpListener::bind(at).await.unwrap()),
            _ => {}
        }
        tokio::select! {
            changed = told.changed() => if changed.is_err() { return },
            Ok((near, _)) = async { listener.as_ref().unwrap().accept().await }, if listener.is_some() => {
                tokio::spawn(pass(near, to, told.clone(), state.life));
            }
        }
    }
}

async fn pass(mut near: TcpStream, to: SocketAddr, mut told: watch::Receiver<State>, life: u32) {
    let Ok(mut far) = TcpStream::connect(to).await else { return };
    let (mut from_near, mut from_far) = ([0; 16384], [0; 16384]);
    loop {
        let state = *told.borrow_and_update();
        let passes = state.mode != Mode::Silent && state.life == life;
        match state.mode {
            Mode::Over | Mode::Refusing => return,
            Mode::Resetting => {
                near.set_zero_linger().unwrap();
                far.set_zero_linger().unwrap();
                return;
            }
            Mode::Open | Mode::Silent | Mode::Cutting | Mode::Noisy => {}
        }
        let passed = tokio::select! {
            changed = told.changed() => changed.is_ok(),
            count = near.read(&mut from_near), if passes => write(&mut far, &from_near, count, Mode::Open).await,
            count = far.read(&mut from_far), if passes => write(&mut near, &from_far, count, state.mode).await,
        };
        if !passed {
            return;
        }
    }
}

async fn write(to: &mut TcpStream, bytes: &[u8], count: std::io::Result<usize>, mode: Mode) -> bool {
    let Ok(count @ 1..) = count else { return false };
    let bytes = match mode {
        Mode::Cutting => bytes[..count.div_ceil(2)].to_vec(),
        Mode::Noisy => [&[0x00, 0xFF, 0x23, 0x15, 0x80], &bytes[..count]].concat(),
        _ => bytes[..count].to_vec(),
    };
    to.write_all(&bytes).await.is_ok()
}
