//! A client that says exactly what it is told to: headers, frames and resets of one HTTP/2 connection.

use crate::processes::{PATIENCE, Process};
use bytes::{BufMut, Bytes, BytesMut};
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request};
use prost::Message;
use std::future::poll_fn;
use tokio::net::TcpStream;
use tokio::time::timeout;

pub(crate) const PUT: &str = "/etcdserverpb.KV/Put";
pub(crate) const WATCH: &str = "/etcdserverpb.Watch/Watch";
pub(crate) const KEEP_ALIVE: &str = "/etcdserverpb.Lease/LeaseKeepAlive";

/// One connection.
#[derive(Clone)]
pub(crate) struct Connection {
    requests: SendRequest<Bytes>,
}

/// A call in flight.
pub(crate) struct Call {
    pub(crate) send: SendStream<Bytes>,
    response: Option<ResponseFuture>,
    body: Option<RecvStream>,
    received: BytesMut,
    head: (u16, HeaderMap),
}

/// How a call ended.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) http: u16,
    /// Of the head, and of the trailers if there were any.
    pub(crate) headers: HeaderMap,
    /// All that came, framed.
    pub(crate) data: Bytes,
}

impl End {
    pub(crate) fn code(&self) -> Option<i32> {
        self.headers.get("grpc-status")?.to_str().ok()?.parse().ok()
    }

    pub(crate) fn text(&self) -> String {
        let text = self.headers.get("grpc-message").map_or(b"".as_slice(), |value| value.as_bytes());
        let mut decoded = Vec::new();
        let mut at = 0;
        while at < text.len() {
            let digits = text.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
            match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
                Some(byte) if text[at] == b'%' => {
                    decoded.push(byte);
                    at += 3;
                }
                _ => {
                    decoded.push(text[at]);
                    at += 1;
                }
            }
        }
        String::from_utf8(decoded).unwrap()
    }
}

/// Connects to a `http://host:port`.
pub(crate) async fn connect_to(url: &str) -> Connection {
    let socket = TcpStream::connect(url.strip_prefix("http://").unwrap()).await.unwrap();
    socket.set_nodelay(true).unwrap();
    let (requests, connection) = h2::client::Builder::new()
        .initial_window_size(1 << 20)
        .initial_connection_window_size(1 << 24)
        // The answers to a burst are small messages too.
        .data_frame_budget(usize::MAX)
        .max_concurrent_reset_streams(100_000)
        .max_local_error_reset_streams(None)
        .handshake(socket)
        .await
        .unwrap();
    tokio::spawn(connection);
    Connection { requests }
}

/// A message behind its prefix.
pub(crate) fn framed(message: &impl Message) -> Bytes {
    framed_bytes(0, &message.encode_to_vec())
}

pub(crate) fn framed_bytes(flag: u8, message: &[u8]) -> Bytes {
    let mut framed = BytesMut::new();
    framed.put_u8(flag);
    framed.put_u32(message.len().try_into().unwrap());
    framed.extend_from_slice(message);
    framed.freeze()
}

/// The headers of a call of gRPC.
pub(crate) fn head(path: &str) -> http::request::Builder {
    Request::builder()
        .method("POST")
        .uri(format!("http://localhost{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
}

impl Connection {
    /// To a member's clients' port.
    pub(crate) async fn to(member: &Process) -> Connection {
        connect_to(&member.client_url).await
    }

    /// Begins a call.
    pub(crate) async fn begin(&mut self, head: http::request::Builder) -> Call {
        let (response, send) = self.try_begin(head).await.unwrap();
        let (body, received, head) = (None, BytesMut::new(), (0, HeaderMap::new()));
        Call { send, response: Some(response), body, received, head }
    }

    async fn try_begin(
        &mut self,
        head: http::request::Builder,
    ) -> Result<(ResponseFuture, SendStream<Bytes>), h2::Error> {
        poll_fn(|cx| self.requests.poll_ready(cx)).await?;
        self.requests.send_request(head.body(()).unwrap(), false)
    }

    /// A call of one body, to its end.
    pub(crate) async fn call(&mut self, head: http::request::Builder, body: Bytes) -> End {
        let mut call = self.begin(head).await;
        call.send.send_data(body, true).unwrap();
        call.end().await.unwrap()
    }

    /// How many calls the server has said that it takes at a time.
    pub(crate) fn calls_max(&self) -> usize {
        self.requests.current_max_send_streams()
    }

    /// A put over this connection, which must be answered: the connection is whole.
    pub(crate) async fn still_serves(&mut self) {
        let put = crate::processes::put("still", "serves");
        assert_eq!(self.call(head(PUT), framed(&put)).await.code(), Some(0));
    }
}

impl Call {
    /// Sends bytes in pieces of this size, as fast as the server's window allows.
    pub(crate) async fn send_in_pieces(&mut self, mut bytes: Bytes, piece_bytes: usize) {
        while !bytes.is_empty() {
            let piece = piece_bytes.min(bytes.len());
            self.send.reserve_capacity(piece);
            while self.send.capacity() < piece {
                let more = timeout(PATIENCE, poll_fn(|cx| self.send.poll_capacity(cx))).await;
                more.expect("the window opens in time").expect("the stream is open").unwrap();
            }
            self.send.send_data(bytes.split_to(piece), false).unwrap();
        }
    }

    /// The next message of the answer, without its prefix.
    pub(crate) async fn message<M: Message + Default>(&mut self) -> M {
        loop {
            if let Some((prefix, rest)) = self.received.split_first_chunk::<5>() {
                let length = u32::from_be_bytes(prefix[1..].try_into().unwrap()) as usize;
                if rest.len() >= length {
                    let framed = self.received.split_to(5 + length);
                    return M::decode(&framed[5..]).unwrap();
                }
            }
            assert!(self.more().await.unwrap(), "the answer ends before the next message");
        }
    }

    /// Everything to the end.
    pub(crate) async fn end(mut self) -> Result<End, h2::Error> {
        while self.more().await? {}
        let (http, mut headers) = self.head;
        if let Some(mut body) = self.body.take()
            && let Some(trailers) = body.trailers().await?
        {
            headers.extend(trailers);
        }
        Ok(End { http, headers, data: self.received.freeze() })
    }

    async fn more(&mut self) -> Result<bool, h2::Error> {
        if let Some(response) = self.response.take() {
            let response = timeout(PATIENCE, response).await.expect("a head of the answer in time")?;
            let (parts, body) = response.into_parts();
            self.head = (parts.status.as_u16(), parts.headers);
            self.body = Some(body);
        }
        let body = self.body.as_mut().unwrap();
        match timeout(PATIENCE, body.data()).await.expect("more of the answer in time") {
            None => Ok(false),
            Some(data) => {
                let data = data?;
                body.flow_control().release_capacity(data.len()).unwrap();
                self.received.extend_from_slice(&data);
                Ok(true)
            }
        }
    }
}
