//! Service KV. What most clients ask most of the time (Range, Put, Txn) is answered by functions that know a caller's
//! metadata and messages alone, so that a server may call them without tonic in between.

use super::Service;
use crate::pb;
use crate::readers::KEYS_HERE_MAX;
use crate::replies::{Answer, evaluate_small};
use crate::wire::error::status;
use crate::wire::{EncodedTxn, Headers, RangeAnswer, kv, txn};
use detcd_engine::effects::ReadQuery;
use detcd_engine::request::{Call, RangeRequest, Reply, RequestError, Txn};
use detcd_engine::txn::check;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

impl Service {
    /// Answers a Range in pieces, which need not be in memory all at once.
    ///
    /// # Errors
    /// As etcd: codes and texts are `wire::error`'s.
    pub async fn range_in_pieces(
        &self,
        metadata: &MetadataMap,
        request: pb::RangeRequest,
    ) -> Result<RangeAnswer, Status> {
        let metadata = self.call_metadata(metadata)?;
        let range = kv::range_request(request).map_err(status)?;
        let read = match self.member.ask(range.into_request(), metadata.require_leader).await {
            Answer::Done(reply) => return self.range_answer(reply),
            Answer::Read(read) => read,
        };
        if let Some(reply) = evaluate_small(&read, KEYS_HERE_MAX) {
            return self.range_answer(reply);
        }
        let headers = self.headers;
        let answer = self.member.elsewhere(move || {
            if let ReadQuery::Range(range) = &read.query
                && let Some(scan) = read.view.scan(range)?
            {
                return Ok(RangeAnswer::of_scan(headers.at(read.view.revision(), read.term), scan));
            }
            read.evaluate().map(|reply| range_answer(headers, reply))
        });
        answer.await.and_then(|answer| answer).map_err(status)
    }

    /// Answers a Put.
    ///
    /// # Errors
    /// As etcd: codes and texts are `wire::error`'s.
    pub async fn put(
        &self,
        metadata: &MetadataMap,
        request: pb::PutRequest,
    ) -> Result<pb::PutResponse, Status> {
        let metadata = self.call_metadata(metadata)?;
        let put = kv::put_request(request).map_err(status)?;
        let Reply { revision, term, response } = self.call(metadata, put).await?;
        Ok(kv::put_response(self.header(revision, term), response))
    }

    fn range_answer(&self, reply: Result<Reply, RequestError>) -> Result<RangeAnswer, Status> {
        reply.map(|reply| range_answer(self.headers, reply)).map_err(status)
    }

    /// Answers a Txn with what `encode` makes of the answer: where that is large it was found by the readers, and is
    /// encoded there too.
    ///
    /// # Errors
    /// As etcd: codes and texts are `wire::error`'s.
    pub async fn txn<T: Send + 'static>(
        &self,
        metadata: &MetadataMap,
        request: EncodedTxn,
        encode: fn(pb::TxnResponse) -> T,
    ) -> Result<T, Status> {
        let metadata = self.call_metadata(metadata)?;
        let ops_max = self.limits.txn_ops_max;
        let txn = txn::txn_request(request, ops_max).and_then(|txn| check(txn, ops_max)).map_err(status)?;
        let headers = self.headers;
        let reply = match self.member.ask(txn.into_request(), metadata.require_leader).await {
            Answer::Done(reply) => reply,
            Answer::Read(read) => match evaluate_small(&read, KEYS_HERE_MAX) {
                Some(reply) => reply,
                None => {
                    let answer = self
                        .member
                        .elsewhere(move || read.evaluate().map(|reply| encode(txn_answer(headers, reply))));
                    return answer.await.and_then(|answer| answer).map_err(status);
                }
            },
        };
        reply.map(|reply| encode(txn_answer(headers, reply))).map_err(status)
    }
}

fn txn_answer(headers: Headers, reply: Reply) -> pb::TxnResponse {
    let Reply { revision, term, response } = reply.to::<Txn>();
    txn::txn_response(headers.at(revision, term), response)
}

fn range_answer(headers: Headers, reply: Reply) -> RangeAnswer {
    let Reply { revision, term, response } = reply.to::<RangeRequest>();
    RangeAnswer::of_found(headers.at(revision, term), response)
}

#[tonic::async_trait]
impl pb::kv_server::Kv for Service {
    async fn range(&self, request: Request<pb::RangeRequest>) -> Result<Response<pb::RangeResponse>, Status> {
        let metadata = self.call_metadata(request.metadata())?;
        let range = kv::range_request(request.into_inner()).map_err(status)?;
        let Reply { revision, term, response } = self.call(metadata, range).await?;
        Ok(Response::new(kv::range_response(self.header(revision, term), response)))
    }

    async fn put(&self, request: Request<pb::PutRequest>) -> Result<Response<pb::PutResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        Service::put(self, &metadata, request).await.map(Response::new)
    }

    async fn delete_range(
        &self,
        request: Request<pb::DeleteRangeRequest>,
    ) -> Result<Response<pb::DeleteRangeResponse>, Status> {
        let metadata = self.call_metadata(request.metadata())?;
        let delete = kv::delete_range_request(request.into_inner()).map_err(status)?;
        let Reply { revision, term, response } = self.call(metadata, delete).await?;
        Ok(Response::new(kv::delete_range_response(self.header(revision, term), response)))
    }

    async fn txn(&self, request: Request<EncodedTxn>) -> Result<Response<pb::TxnResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        Service::txn(self, &metadata, request, Response::new).await
    }

    async fn compact(
        &self,
        request: Request<pb::CompactionRequest>,
    ) -> Result<Response<pb::CompactionResponse>, Status> {
        let metadata = self.call_metadata(request.metadata())?;
        let compact = kv::compact_request(request.into_inner());
        let Reply { revision, term, response: () } = self.call(metadata, compact).await?;
        Ok(Response::new(pb::CompactionResponse { header: self.header(revision, term) }))
    }
}
