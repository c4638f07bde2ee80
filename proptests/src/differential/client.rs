//! One server's gRPC connection: bytes in, bytes out, so that nothing stands between the wire and the comparison.

use crate::catalog::Rpc;
use bytes::{Buf, BufMut, Bytes};
use prost::Message;
use prost_reflect::DynamicMessage;
use std::fmt;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

/// No call takes so long unless a server hangs.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// A server's answer to one request.
pub(crate) type Answer = Result<DynamicMessage, Refusal>;

/// A status that is not OK.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) code: Code,
    pub(crate) message: String,
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Refusal {
        Refusal { code: status.code(), message: status.message().to_owned() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.code, self.message)
    }
}

/// A connection.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    channel: Channel,
}

impl Client {
    /// Opens a connection to a port of this machine.
    pub(crate) async fn connect(port: u16) -> Result<Client, tonic::transport::Error> {
        let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{port}"))?.tcp_nodelay(true);
        Ok(Client { channel: endpoint.connect().await? })
    }

    /// One request, one answer.
    pub(crate) async fn call(&self, rpc: &Rpc, request: &DynamicMessage) -> Answer {
        let mut grpc = Grpc::new(self.channel.clone()).max_decoding_message_size(usize::MAX);
        let asked = async {
            grpc.ready().await.map_err(|error| Status::unavailable(format!("not connected: {error}")))?;
            grpc.unary(Request::new(request.encode_to_vec().into()), rpc.path(), Raw).await
        };
        let answer = tokio::time::timeout(ANSWER_WITHIN, asked).await;
        let answer = answer.unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer: it hangs")))?;
        decode(rpc, answer.into_inner())
    }

    /// Opens a stream. A server may say nothing at all before it is asked something, so this does not wait.
    pub(crate) fn open(&self, rpc: &Rpc) -> Stream {
        let mut grpc = Grpc::new(self.channel.clone()).max_decoding_message_size(usize::MAX);
        let (requests, outgoing) = mpsc::unbounded_channel::<Bytes>();
        let (to_reader, answers) = mpsc::unbounded_channel();
        let rpc = rpc.clone();
        let reader = tokio::spawn(async move {
            let opened = async {
                grpc.ready().await.map_err(|error| Status::unavailable(format!("not connected: {error}")))?;
                let request = Request::new(UnboundedReceiverStream::new(outgoing));
                grpc.streaming(request, rpc.path(), Raw).await
            };
            let mut incoming = match opened.await {
                Ok(response) => response.into_inner(),
                Err(status) => return drop(to_reader.send(Err(status.into()))),
            };
            loop {
                let answer = match incoming.message().await {
                    Ok(Some(bytes)) => decode(&rpc, bytes),
                    Ok(None) => return,
                    Err(status) => Err(status.into()),
                };
                let is_last = answer.is_err();
                if to_reader.send(answer).is_err() || is_last {
                    return;
                }
            }
        });
        Stream { requests, answers, reader }
    }
}

fn decode(rpc: &Rpc, bytes: Bytes) -> Answer {
    DynamicMessage::decode(rpc.output(), bytes).map_err(|error| Refusal {
        code: Code::Internal,
        message: format!("an answer that is none: {error}"),
    })
}

/// A stream in both directions. Dropping it is leaving it.
#[derive(Debug)]
pub(crate) struct Stream {
    requests: mpsc::UnboundedSender<Bytes>,
    answers: mpsc::UnboundedReceiver<Answer>,
    reader: JoinHandle<()>,
}

impl Stream {
    /// Sends; to nobody where the server has ended the stream, which its answers tell.
    pub(crate) fn send(&self, request: &DynamicMessage) {
        let _ = self.requests.send(request.encode_to_vec().into());
    }

    /// The next answer within this time.
    pub(crate) async fn next(&mut self, within: Duration) -> Option<Answer> {
        tokio::time::timeout(within, self.answers.recv()).await.ok().flatten()
    }

    /// The next answer if it is already here.
    pub(crate) fn waiting(&mut self) -> Option<Answer> {
        self.answers.try_recv().ok()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// Passes messages on as they are.
#[derive(Clone, Copy, Debug)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Raw;
    type Decoder = Raw;

    fn encoder(&mut self) -> Raw {
        Raw
    }

    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}
