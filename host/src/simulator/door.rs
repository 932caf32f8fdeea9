//! A listening address that can vanish and come back, as a device whose plug is pulled does.
//!
//! While the door is shut the port is kept by a socket that is bound but does not listen: callers are refused, and
//! nobody else can take the port, not even the caller's own end by chance.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::simulator::{OrderError, StartError};

/// Whether the far end is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    /// Listening.
    Here,
    /// Not listening, all connections closed.
    Gone,
}

/// What a running door is told; it answers when it is done.
pub(crate) struct Order {
    to: Presence,
    done: oneshot::Sender<io::Result<()>>,
}

/// Tells a door to open or shut.
#[derive(Debug, Clone)]
pub(crate) struct DoorKeeper {
    address: SocketAddr,
    orders: mpsc::Sender<Order>,
}

/// Listens on the address; port 0 lets the system choose.
pub(crate) async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

impl DoorKeeper {
    /// A keeper and the orders that [`keep`] takes.
    pub(crate) fn new(address: SocketAddr) -> (Self, mpsc::Receiver<Order>) {
        let (orders, receiver) = mpsc::channel(4);
        (DoorKeeper { address, orders }, receiver)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns when the port listens, or when it does not and the connections have been told to end.
    pub(crate) async fn set(&self, to: Presence) -> Result<(), OrderError> {
        let address = self.address;
        let (done, outcome) = oneshot::channel();
        self.orders.send(Order { to, done }).await.map_err(|_| OrderError::Ended { address })?;
        let outcome = outcome.await.map_err(|_| OrderError::Ended { address })?;
        outcome.map_err(|source| OrderError::Listen { address, source })
    }
}

/// Runs `serve` whenever the door is open. `serve` owns the listener; its second argument ends the
/// connections that outlive it. Returns when `shutdown` is cancelled or nobody can give orders any more.
pub(crate) async fn keep<Serve, Serving>(
    listener: TcpListener,
    address: SocketAddr,
    mut orders: mpsc::Receiver<Order>,
    shutdown: CancellationToken,
    serve: Serve,
) where
    Serve: Fn(TcpListener, CancellationToken) -> Serving,
    Serving: Future<Output = ()>,
{
    let mut listener = listener;
    loop {
        let closing = CancellationToken::new();
        let _connections_end_with_the_door = closing.clone().drop_guard();
        let done = tokio::select! {
            done = until_told_to(Presence::Gone, &mut orders, serve(listener, closing.clone())) => done,
            () = shutdown.cancelled() => None,
        };
        let Some(done) = done else { return };
        closing.cancel();
        let mut placeholder = hold(address);
        // The caller may have gone; the door shuts all the same.
        let _ = done.send(placeholder.as_ref().map(|_| ()).map_err(copy_of));
        listener = loop {
            let done = tokio::select! {
                done = until_told_to(Presence::Here, &mut orders, std::future::pending()) => done,
                () = shutdown.cancelled() => None,
            };
            let Some(done) = done else { return };
            match placeholder.and_then(|socket| socket.listen(1024)) {
                Ok(listener) => {
                    let _ = done.send(Ok(()));
                    break listener;
                }
                Err(error) => {
                    let _ = done.send(Err(error));
                    placeholder = hold(address);
                }
            }
        };
    }
}

/// Drives `meanwhile` until an order asks for `wanted`; an order for what already holds is answered at once.
async fn until_told_to(
    wanted: Presence,
    orders: &mut mpsc::Receiver<Order>,
    meanwhile: impl Future<Output = ()>,
) -> Option<oneshot::Sender<io::Result<()>>> {
    let mut meanwhile = pin!(meanwhile);
    let mut running = true;
    loop {
        tokio::select! {
            () = &mut meanwhile, if running => running = false,
            order = orders.recv() => {
                let order = order?;
                if order.to == wanted {
                    return Some(order.done);
                }
                let _ = order.done.send(Ok(()));
            }
        }
    }
}

fn hold(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

fn copy_of(error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), error.to_string())
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn a_shut_door_refuses_callers_and_opens_on_the_same_port() {
        let (listener, address) = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let (keeper, orders) = DoorKeeper::new(address);
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(keep(listener, address, orders, shutdown.clone(), |listener, _| async move {
            while listener.accept().await.is_ok() {}
        }));

        for _ in 0..3 {
            TcpStream::connect(address).await.unwrap();
            keeper.set(Presence::Gone).await.unwrap();
            keeper.set(Presence::Gone).await.unwrap();
            let refused = TcpStream::connect(address).await.unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
            keeper.set(Presence::Here).await.unwrap();
        }

        TcpStream::connect(address).await.unwrap();
        shutdown.cancel();
        task.await.unwrap();
        let ended = keeper.set(Presence::Gone).await.unwrap_err();
        assert!(matches!(ended, OrderError::Ended { .. }), "{ended}");
    }
}
