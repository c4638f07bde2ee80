//! A socket that is read in turns.
//!
//! h2 reads a socket for as long as there is something to read, and keeps what came for each call until the call
//! takes it: frame by frame, with some hundred bytes of bookkeeping for each. After `TURN_BYTES` this socket says that
//! there is no more for now, and wakes its reader for the next turn. So the calls take what came for them before more is
//! read, and a client that sends as fast as it can gets a turn among others.

use super::limits::TURN_BYTES;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// See the module.
#[derive(Debug)]
pub(super) struct Paced<S> {
    socket: S,
    turn: Turn,
}

/// What may still be read in the present turn.
#[derive(Clone, Debug)]
pub(super) struct Turn {
    left_bytes: Arc<AtomicUsize>,
}

impl Turn {
    /// The first turn.
    pub(super) fn first() -> Turn {
        Turn { left_bytes: Arc::new(AtomicUsize::new(TURN_BYTES)) }
    }

    /// The next turn begins: all calls have taken what came in the one before.
    pub(super) fn begin(&self) {
        self.left_bytes.store(TURN_BYTES, Ordering::Relaxed);
    }
}

impl<S> Paced<S> {
    pub(super) fn new(socket: S, turn: Turn) -> Paced<S> {
        Paced { socket, turn }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let left_bytes = self.turn.left_bytes.load(Ordering::Relaxed);
        if left_bytes == 0 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let filled_before = buffer.filled().len();
        let polled = Pin::new(&mut self.socket).poll_read(cx, buffer);
        let read_bytes = buffer.filled().len() - filled_before;
        self.turn.left_bytes.store(left_bytes.saturating_sub(read_bytes), Ordering::Relaxed);
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    /// Always has bytes to read.
    struct Endless;

    impl AsyncRead for Endless {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            buffer.put_slice(&vec![7; buffer.remaining()]);
            Poll::Ready(Ok(()))
        }
    }

    fn read_all(socket: &mut Paced<Endless>) -> usize {
        let mut cx = Context::from_waker(Waker::noop());
        let mut read = 0;
        loop {
            let mut bytes = [0; 8192];
            let mut buffer = ReadBuf::new(&mut bytes);
            match Pin::new(&mut *socket).poll_read(&mut cx, &mut buffer) {
                Poll::Ready(outcome) => outcome.unwrap(),
                Poll::Pending => return read,
            }
            read += buffer.filled().len();
        }
    }

    #[test]
    fn a_turn_ends_however_much_there_is_to_read() {
        let turn = Turn::first();
        let mut socket = Paced::new(Endless, turn.clone());
        assert_eq!(read_all(&mut socket), TURN_BYTES);
        assert_eq!(read_all(&mut socket), 0);
        turn.begin();
        assert_eq!(read_all(&mut socket), TURN_BYTES);
    }
}
