//! Service KV. What most clients ask most of the time (Range, Put, Txn) is answered by functions that know a caller's
//! metadata and messages alone, so that a server may call them without tonic in between.

use super::{CallMetadata, Service};
use crate::handle::MemberHandle;
use crate::pb;
use crate::replies::Answer;
use crate::wire::error::status;
use crate::wire::{EncodedTxn, Headers, RangeAnswer, RangeChunks, kv, txn};
use detcd_engine::effects::ReadQuery;
use detcd_engine::mvcc::Scan;
use detcd_engine::request::{Call, RangeRequest, RangeResponse, Reply, RequestError, Txn};
use detcd_engine::txn::check;
use futures_util::stream;
use std::pin::Pin;
use tokio_stream::Stream;
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
        self.found_or_scanned(metadata, range, RangeAnswer::of_found, RangeAnswer::of_scan).await
    }

    /// What one of the two makes of a range: of the keys, where they are few or must all be found first; else of a scan,
    /// and then on a reader's thread.
    async fn found_or_scanned<T: Send + 'static>(
        &self,
        metadata: CallMetadata,
        range: RangeRequest,
        of_found: fn(Option<pb::ResponseHeader>, RangeResponse) -> T,
        of_scan: fn(Option<pb::ResponseHeader>, Scan) -> T,
    ) -> Result<T, Status> {
        let headers = self.headers;
        let of_reply = move |reply: Reply| {
            let Reply { revision, term, response } = reply.to::<RangeRequest>();
            of_found(headers.at(revision, term), response)
        };
        let read =
            match self.member.ask_by(&metadata.proof, range.into_request(), metadata.require_leader).await {
                Answer::Done(reply) => return reply.map(of_reply).map_err(status),
                Answer::Read(read) => read,
            };
        if let Some(reply) = self.member.evaluate_here(&read) {
            return reply.map(of_reply).map_err(status);
        }
        let answer = self.member.evaluate_elsewhere(read, move |read| {
            if let ReadQuery::Range(range) = &read.query
                && let Some(scan) = read.view.scan(range)?
            {
                return Ok(of_scan(headers.at(read.view.revision(), read.term), scan));
            }
            read.evaluate().map(of_reply)
        });
        answer.await.map_err(status)
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
        let reply =
            match self.member.ask_by(&metadata.proof, txn.into_request(), metadata.require_leader).await {
                Answer::Done(reply) => reply,
                Answer::Read(read) => match self.member.evaluate_here(&read) {
                    Some(reply) => reply,
                    None => {
                        let encoded = move |reply| encode(txn_answer(headers, reply));
                        let answer =
                            self.member.evaluate_elsewhere(read, move |read| read.evaluate().map(encoded));
                        return answer.await.map_err(status);
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

/// The next chunk, and what is left. One that looks at keys is made on a reader's thread; nothing is done ahead of a client
/// that does not read.
async fn next_chunk(
    member: MemberHandle,
    mut chunks: RangeChunks,
) -> Result<(Option<pb::RangeStreamResponse>, RangeChunks), RequestError> {
    if !chunks.looks_at_keys() {
        return Ok((chunks.next_chunk(), chunks));
    }
    member.elsewhere(move || (chunks.next_chunk(), chunks)).await
}

#[tonic::async_trait]
impl pb::kv_server::Kv for Service {
    type RangeStreamStream = Pin<Box<dyn Stream<Item = Result<pb::RangeStreamResponse, Status>> + Send>>;

    async fn range(&self, request: Request<pb::RangeRequest>) -> Result<Response<pb::RangeResponse>, Status> {
        let metadata = self.call_metadata(request.metadata())?;
        let range = kv::range_request(request.into_inner()).map_err(status)?;
        let Reply { revision, term, response } = self.call(metadata, range).await?;
        Ok(Response::new(kv::range_response(self.header(revision, term), response)))
    }

    async fn range_stream(
        &self,
        request: Request<pb::RangeRequest>,
    ) -> Result<Response<Self::RangeStreamStream>, Status> {
        let metadata = self.call_metadata(request.metadata())?;
        let range = kv::range_stream_request(request.into_inner())?;
        let chunks =
            self.found_or_scanned(metadata, range, RangeChunks::of_found, RangeChunks::of_scan).await?;
        let member = self.member.clone();
        Ok(Response::new(Box::pin(stream::unfold(Some(chunks), move |chunks| {
            let member = member.clone();
            async move {
                match next_chunk(member, chunks?).await {
                    Ok((chunk, chunks)) => Some((Ok(chunk?), Some(chunks))),
                    Err(refusal) => Some((Err(status(refusal)), None)),
                }
            }
        }))))
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
