//! The workloads that are one unary request each.

use crate::Failure;
use crate::drive::Operation;
use crate::keys::{Keys, Random};
use crate::options::Workload;
use detcd::pb::kv_client::KvClient;
use detcd::pb::{PutRequest, RangeRequest, RequestOp, TxnRequest, request_op};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tonic::transport::Channel;

/// A client of the KV service.
pub(crate) struct Kv {
    pub(crate) workload: Workload,
    pub(crate) client: KvClient<Channel>,
    pub(crate) keys: Keys,
    pub(crate) random: Random,
    pub(crate) limit: i64,
    /// The next key to fill, shared by all clients.
    pub(crate) filled: Arc<AtomicU64>,
}

impl Operation for Kv {
    async fn once(&mut self) -> Result<bool, Failure> {
        match self.workload {
            Workload::Fill => return self.fill().await,
            Workload::Put => {
                let key = self.keys.any(&mut self.random);
                let request = self.put(key);
                self.client.put(request).await?;
            }
            Workload::Txn => self.txn().await?,
            Workload::Get => self.get(false).await?,
            Workload::SerializableGet => self.get(true).await?,
            Workload::List => self.list().await?,
            Workload::Count => self.count().await?,
            Workload::Watch | Workload::Keepalive | Workload::KeepaliveBurst => {
                panic!("{:?} is not a unary request", self.workload)
            }
        }
        Ok(true)
    }
}

impl Kv {
    fn put(&mut self, key: bytes::Bytes) -> PutRequest {
        PutRequest { key, value: self.keys.value(&mut self.random), ..PutRequest::default() }
    }

    async fn fill(&mut self) -> Result<bool, Failure> {
        let n = self.filled.fetch_add(1, Ordering::Relaxed);
        if n >= self.keys.len() {
            return Ok(false);
        }
        let request = self.put(self.keys.key(n));
        self.client.put(request).await?;
        Ok(true)
    }

    async fn txn(&mut self) -> Result<(), Failure> {
        let key = self.keys.any(&mut self.random);
        let put = request_op::Request::RequestPut(self.put(key));
        let success = vec![RequestOp { request: Some(put) }];
        let answer = self.client.txn(TxnRequest { success, ..TxnRequest::default() }).await?.into_inner();
        if answer.responses.len() == 1 { Ok(()) } else { Err("a txn of one put answered otherwise".into()) }
    }

    async fn get(&mut self, serializable: bool) -> Result<(), Failure> {
        let key = self.keys.any(&mut self.random);
        let request = RangeRequest { key, serializable, ..RangeRequest::default() };
        let answer = self.client.range(request).await?.into_inner();
        if answer.kvs.len() == 1 {
            Ok(())
        } else {
            Err("a key is not there: fill the key space first".into())
        }
    }

    async fn list(&mut self) -> Result<(), Failure> {
        let key = self.keys.any(&mut self.random);
        let range_end = Keys::all().1;
        let request = RangeRequest { key, range_end, limit: self.limit, ..RangeRequest::default() };
        let answer = self.client.range(request).await?.into_inner();
        if answer.kvs.is_empty() { Err("nothing to list: fill the key space first".into()) } else { Ok(()) }
    }

    async fn count(&mut self) -> Result<(), Failure> {
        let (key, range_end) = Keys::all();
        let request = RangeRequest { key, range_end, count_only: true, ..RangeRequest::default() };
        let answer = self.client.range(request).await?.into_inner();
        if answer.count > 0 { Ok(()) } else { Err("nothing to count: fill the key space first".into()) }
    }
}
