//! The floor: a gRPC server that answers every put and range with the same words and stores nothing.
//!
//! What the load tool measures against it is the price of the transport alone; no store behind the same transport can
//! be cheaper. Usage: `echo ADDRESS` (127.0.0.1:2379 if left out); prints "ready" when it serves.

use bytes::Bytes;
use detcd::pb::kv_server::{Kv, KvServer};
use detcd::pb::{
    CompactionRequest, CompactionResponse, DeleteRangeRequest, DeleteRangeResponse, PutRequest, PutResponse,
    RangeRequest, RangeResponse, RangeStreamResponse, ResponseHeader, TxnResponse,
};
use detcd::wire::EncodedTxn;
use prost::Message;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

struct Echo {
    header: ResponseHeader,
    range: RangeResponse,
}

#[tonic::async_trait]
impl Kv for Echo {
    type RangeStreamStream = tokio_stream::Empty<Result<RangeStreamResponse, Status>>;

    async fn put(&self, _: Request<PutRequest>) -> Result<Response<PutResponse>, Status> {
        Ok(Response::new(PutResponse { header: Some(self.header), prev_kv: None }))
    }

    async fn range(&self, _: Request<RangeRequest>) -> Result<Response<RangeResponse>, Status> {
        Ok(Response::new(self.range.clone()))
    }

    async fn range_stream(
        &self,
        _: Request<RangeRequest>,
    ) -> Result<Response<Self::RangeStreamStream>, Status> {
        Err(Status::unimplemented("the echo knows put and range only"))
    }

    async fn txn(&self, _: Request<EncodedTxn>) -> Result<Response<TxnResponse>, Status> {
        Err(Status::unimplemented("the echo knows put and range only"))
    }

    async fn delete_range(
        &self,
        _: Request<DeleteRangeRequest>,
    ) -> Result<Response<DeleteRangeResponse>, Status> {
        Err(Status::unimplemented("the echo knows put and range only"))
    }

    async fn compact(&self, _: Request<CompactionRequest>) -> Result<Response<CompactionResponse>, Status> {
        Err(Status::unimplemented("the echo knows put and range only"))
    }
}

/// One key of 32 bytes with a value of 256, as the load tool's defaults are, from its encoded form: field 2 of the
/// response holds fields 1 (key) and 5 (value).
fn one_key() -> RangeResponse {
    let mut kv = vec![0x0a, 32];
    kv.extend([b'k'; 32]);
    kv.extend([0x2a, 0x80, 0x02]);
    kv.extend([b'v'; 256]);
    let mut encoded = vec![0x12, 0xa5, 0x02];
    encoded.extend(kv);
    RangeResponse::decode(Bytes::from(encoded)).expect("the encoding above is a RangeResponse")
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:2379".to_owned());
    let header = ResponseHeader { cluster_id: 1, member_id: 1, revision: 1, raft_term: 1 };
    let range = RangeResponse { header: Some(header), count: 1, ..one_key() };
    // On the listener, not the builder: the builder's setting does not reach sockets that are handed to it, and with
    // Nagle's algorithm an answer of two writes waits 40 ms for the client's delayed acknowledgement.
    let incoming = TcpIncoming::bind(address.parse()?)?.with_nodelay(Some(true));
    println!("ready");
    tonic::transport::Server::builder()
        .add_service(KvServer::new(Echo { header, range }))
        .serve_with_incoming(incoming)
        .await?;
    Ok(())
}
