//! The few calls of etcd's API that the scenarios make, on the client that detcd's own messages give. Any etcd v3
//! client library has the same calls under other names.

// Each scenario uses its part.
#![allow(dead_code)]

use bytes::Bytes;
use detcd::pb::kv_client::KvClient;
use detcd::pb::lease_client::LeaseClient;
use detcd::pb::watch_client::WatchClient;
use detcd::pb::{
    Compare, DeleteRangeRequest, LeaseGrantRequest, LeaseKeepAliveRequest, LeaseRevokeRequest, PutRequest,
    RangeRequest, RequestOp, TxnRequest, WatchCreateRequest, WatchRequest, WatchResponse, compare,
    request_op, watch_request,
};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::{Channel, Endpoint};

/// What ends a scenario early.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A scenario that takes longer has failed: nothing here waits for more than one lease to end.
const BOUND: Duration = Duration::from_secs(60);

/// A key as it is now.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) value: String,
    pub(crate) create_revision: i64,
    pub(crate) mod_revision: i64,
}

/// What a watch tells.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) key: String,
    /// None: the key was deleted.
    pub(crate) value: Option<String>,
    pub(crate) revision: i64,
}

/// A connection to a cluster.
#[derive(Clone)]
pub(crate) struct Cluster {
    kv: KvClient<Channel>,
    watch: WatchClient<Channel>,
    lease: LeaseClient<Channel>,
}

/// Runs a scenario against the endpoint on the command line, in a part of the key space of its own.
pub(crate) async fn run<F: Future<Output = Result<(), Failure>>>(
    scenario: impl FnOnce(Cluster, String) -> F,
) -> Result<(), Failure> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "http://127.0.0.1:2379".to_owned());
    let cluster = Cluster::connect(&url).await.map_err(|error| format!("{url}: {error}"))?;
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let prefix = format!("scenario/{}/", since_1970.as_nanos());
    tokio::time::timeout(BOUND, scenario(cluster, prefix)).await.map_err(|_| "the scenario hangs")?
}

/// Ends the scenario with an error unless `claim` holds.
pub(crate) fn check(claim: bool, what: &str) -> Result<(), Failure> {
    if claim { Ok(()) } else { Err(format!("violated: {what}").into()) }
}

impl Cluster {
    /// Opens a connection.
    pub(crate) async fn connect(url: &str) -> Result<Cluster, Failure> {
        let channel = Endpoint::from_shared(url.to_owned())?.tcp_nodelay(true).connect().await?;
        Ok(Cluster {
            kv: KvClient::new(channel.clone()),
            watch: WatchClient::new(channel.clone()),
            lease: LeaseClient::new(channel),
        })
    }

    /// Writes a key (`lease` 0: for ever) and tells the revision.
    pub(crate) async fn put(&self, key: &str, value: &str, lease: i64) -> Result<i64, Failure> {
        let answer = self.kv.clone().put(put_request(key, value, lease)).await?.into_inner();
        Ok(answer.header.unwrap_or_default().revision)
    }

    /// Writes a key only if it is not there: the revision, or None where somebody else was first.
    pub(crate) async fn create(&self, key: &str, value: &str, lease: i64) -> Result<Option<i64>, Failure> {
        let absent = Compare {
            target: compare::CompareTarget::Create.into(),
            result: compare::CompareResult::Equal.into(),
            key: bytes(key),
            target_union: Some(compare::TargetUnion::CreateRevision(0)),
            ..Compare::default()
        };
        let put = request_op::Request::RequestPut(put_request(key, value, lease));
        self.txn(absent, put).await
    }

    /// Deletes a key only if nobody has written it since `mod_revision`: the revision, or None where somebody has.
    pub(crate) async fn delete_unchanged(
        &self,
        key: &str,
        mod_revision: i64,
    ) -> Result<Option<i64>, Failure> {
        let unchanged = Compare {
            target: compare::CompareTarget::Mod.into(),
            result: compare::CompareResult::Equal.into(),
            key: bytes(key),
            target_union: Some(compare::TargetUnion::ModRevision(mod_revision)),
            ..Compare::default()
        };
        let delete = DeleteRangeRequest { key: bytes(key), ..DeleteRangeRequest::default() };
        self.txn(unchanged, request_op::Request::RequestDeleteRange(delete)).await
    }

    async fn txn(&self, compare: Compare, then: request_op::Request) -> Result<Option<i64>, Failure> {
        let success = vec![RequestOp { request: Some(then) }];
        let request = TxnRequest { compare: vec![compare], success, failure: vec![] };
        let answer = self.kv.clone().txn(request).await?.into_inner();
        Ok(answer.succeeded.then(|| answer.header.unwrap_or_default().revision))
    }

    /// The key, if it is there.
    pub(crate) async fn get(&self, key: &str) -> Result<Option<Entry>, Failure> {
        let request = RangeRequest { key: bytes(key), ..RangeRequest::default() };
        Ok(self.range(request).await?.0.pop())
    }

    /// All keys under a prefix, the oldest first, and the revision at which this was so.
    pub(crate) async fn list(&self, prefix: &str) -> Result<(Vec<Entry>, i64), Failure> {
        let request =
            RangeRequest { key: bytes(prefix), range_end: after(prefix), ..RangeRequest::default() };
        let (mut entries, revision) = self.range(request).await?;
        entries.sort_by_key(|entry| entry.create_revision);
        Ok((entries, revision))
    }

    async fn range(&self, request: RangeRequest) -> Result<(Vec<Entry>, i64), Failure> {
        let answer = self.kv.clone().range(request).await?.into_inner();
        let entries = answer.kvs.iter().map(|kv| Entry {
            key: text(kv.key()),
            value: text(kv.value()),
            create_revision: kv.create_revision(),
            mod_revision: kv.mod_revision(),
        });
        Ok((entries.collect(), answer.header.unwrap_or_default().revision))
    }

    /// Watches everything under a prefix from a revision on (0: from now on).
    pub(crate) async fn watch(&self, prefix: &str, from: i64) -> Result<Changes, Failure> {
        let create = WatchCreateRequest {
            key: bytes(prefix),
            range_end: after(prefix),
            start_revision: from,
            ..WatchCreateRequest::default()
        };
        let (requests, outgoing) = mpsc::channel(1);
        let request_union = Some(watch_request::RequestUnion::CreateRequest(create));
        requests.send(WatchRequest { request_union }).await?;
        let mut answers = self.watch.clone().watch(ReceiverStream::new(outgoing)).await?.into_inner();
        let answer = answers.message().await?.ok_or("the watch stream ended")?;
        check(answer.created && !answer.canceled, "the watch is created")?;
        Ok(Changes { answers, waiting: VecDeque::new(), _requests: requests })
    }

    /// A lease that is renewed until it is dropped, as a living program does it.
    pub(crate) async fn lease(&self, seconds: i64) -> Result<Lease, Failure> {
        let mut client = self.lease.clone();
        let granted = client.lease_grant(LeaseGrantRequest { ttl: seconds, id: 0 }).await?.into_inner();
        let (requests, outgoing) = mpsc::channel(1);
        requests.send(LeaseKeepAliveRequest { id: granted.id }).await?;
        let mut answers = client.lease_keep_alive(ReceiverStream::new(outgoing)).await?.into_inner();
        let pause = Duration::from_millis(granted.ttl.unsigned_abs() * 1_000 / 3);
        let renewal = tokio::spawn(async move {
            while let Ok(Some(answer)) = answers.message().await {
                tokio::time::sleep(pause).await;
                if answer.ttl == 0 || requests.send(LeaseKeepAliveRequest { id: granted.id }).await.is_err() {
                    return;
                }
            }
        });
        Ok(Lease { id: granted.id, client, renewal })
    }
}

/// A lease that is kept alive. Dropping it is dying: renewal stops, and the lease ends when its time is over.
pub(crate) struct Lease {
    pub(crate) id: i64,
    client: LeaseClient<Channel>,
    renewal: JoinHandle<()>,
}

impl Lease {
    /// Ends the lease, and with it its keys, at once.
    pub(crate) async fn revoke(mut self) -> Result<(), Failure> {
        self.client.lease_revoke(LeaseRevokeRequest { id: self.id }).await?;
        Ok(())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

/// A watch.
pub(crate) struct Changes {
    answers: Streaming<WatchResponse>,
    waiting: VecDeque<Change>,
    /// Keeps the request half of the stream open.
    _requests: mpsc::Sender<WatchRequest>,
}

impl Changes {
    /// The next change, whenever it comes.
    pub(crate) async fn next(&mut self) -> Result<Change, Failure> {
        loop {
            if let Some(change) = self.waiting.pop_front() {
                return Ok(change);
            }
            let answer = self.answers.message().await?.ok_or("the watch stream ended")?;
            check(!answer.canceled, "the watch lasts")?;
            for event in &answer.events {
                let event = event.decoded();
                let kv = event.kv.ok_or("an event without a key")?;
                let value = (event.kind == 0).then(|| text(kv.value()));
                self.waiting.push_back(Change { key: text(kv.key()), value, revision: kv.mod_revision() });
            }
        }
    }
}

fn put_request(key: &str, value: &str, lease: i64) -> PutRequest {
    PutRequest { key: bytes(key), value: bytes(value), lease, ..PutRequest::default() }
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

/// The end of the range of all keys with a prefix: the scenarios' prefixes end in a character that has a successor.
fn after(prefix: &str) -> Bytes {
    let mut end = prefix.as_bytes().to_vec();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    end.into()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
