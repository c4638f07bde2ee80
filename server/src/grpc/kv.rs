//! Service KV. What most clients ask most of the time (Range, Put, Txn) is answered by functions that know a caller's
//! metadata and messages alone, so that a server may call them without tonic in between.

use super::Service;
use crate::pb;
use crate::readers::KEYS_HERE_MAX;
use crate::replies::{Answer, evaluate, evaluate_small};
use crate::wire::error::status;
use crate::wire::{EncodedTxn, RangeAnswer, kv, txn};
use detcd_engine::effects::ReadQuery;
use detcd_engine::request::{Reply, Request, RequestError, Response};
use detcd_engine::txn::check;
use tonic::Status;
use tonic::metadata::MetadataMap;

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
        let caller = self.caller(metadata)?;
        let range = kv::range_request(request).map_err(status)?;
        let read = match self.member.ask(Request::Range(range), caller.require_leader).await {
            Answer::Done(Err(refusal)) => return Err(status(refusal)),
            Answer::Done(Ok(reply)) => panic!("a Range was answered with {reply:?}"),
            Answer::Read(read) => read,
        };
        let header = self.header(read.view.revision(), read.term);
        if let Some(found) = evaluate_small(&read, KEYS_HERE_MAX) {
            return found.and_then(|reply| range_answer(header, reply)).map_err(status);
        }
        let answer = self.member.elsewhere(move || {
            let ReadQuery::Range(range) = &read.query else { panic!("a Range became {:?}", read.query) };
            match read.view.scan(range)? {
                Some(scan) => Ok(RangeAnswer::of_scan(header, scan)),
                None => range_answer(header, evaluate(*read)?),
            }
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
        let caller = self.caller(metadata)?;
        let put = kv::put_request(request).map_err(status)?;
        let Reply { revision, term, response } = self.ask(caller, Request::Put(put)).await?;
        let Response::Put(prev_kv) = response else { panic!("a Put was answered with {response:?}") };
        Ok(kv::put_response(self.header(revision, term), prev_kv))
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
        let caller = self.caller(metadata)?;
        let ops_max = self.limits.txn_ops_max;
        let txn = txn::txn_request(request, ops_max).and_then(|txn| check(txn, ops_max)).map_err(status)?;
        let reply = match self.member.ask(Request::Txn(txn), caller.require_leader).await {
            Answer::Done(reply) => reply,
            Answer::Read(read) => match evaluate_small(&read, KEYS_HERE_MAX) {
                Some(reply) => reply,
                None => {
                    let header = self.header(read.view.revision(), read.term);
                    let answer = self
                        .member
                        .elsewhere(move || evaluate(*read).map(|reply| encode(txn_answer(header, reply))));
                    return answer.await.and_then(|answer| answer).map_err(status);
                }
            },
        };
        let reply = reply.map_err(status)?;
        Ok(encode(txn_answer(self.header(reply.revision, reply.term), reply)))
    }
}

fn txn_answer(header: Option<pb::ResponseHeader>, reply: Reply) -> pb::TxnResponse {
    match reply.response {
        Response::Txn(done) => txn::txn_response(header, done),
        other => panic!("a Txn was answered with {other:?}"),
    }
}

fn range_answer(header: Option<pb::ResponseHeader>, reply: Reply) -> Result<RangeAnswer, RequestError> {
    match reply.response {
        Response::Range(found) => Ok(RangeAnswer::of_found(header, found)),
        other => panic!("a Range was answered with {other:?}"),
    }
}

#[tonic::async_trait]
impl pb::kv_server::Kv for Service {
    async fn range(
        &self,
        request: tonic::Request<pb::RangeRequest>,
    ) -> Result<tonic::Response<pb::RangeResponse>, Status> {
        let caller = self.caller(request.metadata())?;
        let range = kv::range_request(request.into_inner()).map_err(status)?;
        let Reply { revision, term, response } = self.ask(caller, Request::Range(range)).await?;
        let Response::Range(found) = response else { panic!("a Range was answered with {response:?}") };
        Ok(tonic::Response::new(kv::range_response(self.header(revision, term), found)))
    }

    async fn put(
        &self,
        request: tonic::Request<pb::PutRequest>,
    ) -> Result<tonic::Response<pb::PutResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        Service::put(self, &metadata, request).await.map(tonic::Response::new)
    }

    async fn delete_range(
        &self,
        request: tonic::Request<pb::DeleteRangeRequest>,
    ) -> Result<tonic::Response<pb::DeleteRangeResponse>, Status> {
        let caller = self.caller(request.metadata())?;
        let delete = kv::delete_range_request(request.into_inner()).map_err(status)?;
        let Reply { revision, term, response } = self.ask(caller, Request::DeleteRange(delete)).await?;
        let Response::DeleteRange(deleted) = response else {
            panic!("a DeleteRange was answered with {response:?}")
        };
        Ok(tonic::Response::new(kv::delete_range_response(self.header(revision, term), deleted)))
    }

    async fn txn(
        &self,
        request: tonic::Request<EncodedTxn>,
    ) -> Result<tonic::Response<pb::TxnResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        Service::txn(self, &metadata, request, tonic::Response::new).await
    }

    async fn compact(
        &self,
        request: tonic::Request<pb::CompactionRequest>,
    ) -> Result<tonic::Response<pb::CompactionResponse>, Status> {
        let caller = self.caller(request.metadata())?;
        let compact = kv::compact_request(request.into_inner());
        let Reply { revision, term, response } = self.ask(caller, Request::Compact(compact)).await?;
        assert_eq!(response, Response::Compact, "a Compact was answered with something else");
        Ok(tonic::Response::new(pb::CompactionResponse { header: self.header(revision, term) }))
    }
}
