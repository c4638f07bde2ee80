//! The bytes of a connection: of TCP or of a socket's file, with TLS or without, from the first one on, although some were
//! read to see what they are.

use bytes::{Buf, Bytes, BytesMut};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

/// An accepted socket.
pub(crate) type Socket = Either<TcpStream, UnixStream>;
/// A connection once it is open.
pub(crate) type Stream = Rewound<Either<Rewound<Socket>, Box<TlsStream<Rewound<Socket>>>>>;

/// How much is read at most to see what a connection speaks.
const SNIFFED_BYTES_MAX: usize = 512;

/// A stream of which the first bytes were read and are to be read again.
#[derive(Debug)]
pub(crate) struct Rewound<S> {
    first: Bytes,
    rest: S,
}

impl<S: AsyncRead + Unpin> Rewound<S> {
    /// With nothing read.
    pub(crate) fn new(stream: S) -> Rewound<S> {
        Rewound { first: Bytes::new(), rest: stream }
    }

    /// Reads until the first bytes say what was asked of them, or there are too many or no more: `None` then.
    pub(crate) async fn sniff<T>(&mut self, says: impl Fn(&[u8]) -> Option<T>) -> io::Result<Option<T>> {
        let mut read = BytesMut::from(std::mem::take(&mut self.first));
        let said = loop {
            if let Some(said) = says(&read) {
                break Some(said);
            }
            if read.len() >= SNIFFED_BYTES_MAX || self.rest.read_buf(&mut read).await? == 0 {
                break None;
            }
        };
        self.first = read.freeze();
        Ok(said)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Rewound<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.first.is_empty() {
            return Pin::new(&mut self.rest).poll_read(cx, buffer);
        }
        let length = self.first.len().min(buffer.remaining());
        buffer.put_slice(&self.first[..length]);
        self.first.advance(length);
        if self.first.is_empty() {
            // Its memory would be held for as long as the connection is open.
            self.first = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Rewound<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.rest).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.rest).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.rest.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.rest).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.rest).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_read_is_read_again() {
        let mut stream = Rewound::new(&b"GET / HTTP/1.1"[..]);
        assert_eq!(stream.sniff(|read| read.first().copied()).await.unwrap(), Some(b'G'));
        assert_eq!(stream.sniff(|read| read.starts_with(b"GET").then_some(())).await.unwrap(), Some(()));
        let mut all = String::new();
        stream.read_to_string(&mut all).await.unwrap();
        assert_eq!(all, "GET / HTTP/1.1");
    }

    #[tokio::test]
    async fn a_stream_that_says_nothing_is_not_read_for_ever() {
        let endless = vec![b'P'; 10 * SNIFFED_BYTES_MAX];
        let mut stream = Rewound::new(endless.as_slice());
        assert_eq!(stream.sniff(|_| None::<()>).await.unwrap(), None);
        let mut ended = Rewound::new(&b""[..]);
        assert_eq!(ended.sniff(|read| read.first().copied()).await.unwrap(), None);
    }
}
