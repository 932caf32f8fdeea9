//! A look at the bytes of a connection whose frames a library reads and writes.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::meaning;
use crate::capability::wire::{Direction, Io, Trace};

/// A line that shows what goes over it. A frame of Modbus TCP is written in one piece, and read in one nearly always.
#[derive(Debug)]
pub(super) struct Tap {
    io: Io,
    trace: Arc<Trace>,
}

impl Tap {
    pub(super) fn new(io: Io, trace: Arc<Trace>) -> Self {
        Tap { io, trace }
    }
}

impl AsyncRead for Tap {
    fn poll_read(self: Pin<&mut Self>, ctx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Tap { io, trace } = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(io).poll_read(ctx, buffer))?;
        let bytes = buffer.filled().get(before..).unwrap_or_default();
        if !bytes.is_empty() {
            trace.show(Direction::In, bytes, || meaning::of_tcp(Direction::In, bytes));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tap {
    fn poll_write(self: Pin<&mut Self>, ctx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Tap { io, trace } = self.get_mut();
        let written = ready!(Pin::new(io).poll_write(ctx, bytes))?;
        let bytes = bytes.get(..written).unwrap_or_default();
        trace.show(Direction::Out, bytes, || meaning::of_tcp(Direction::Out, bytes));
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(ctx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(ctx)
    }
}
