//! Clients that read, put, delete and swap a few keys, one request at a time, at whichever member answers.

use crate::cluster::Cluster;
use crate::history::{Answer, Call, History, Outcome, Version};
use crate::random::Stream;
use crate::swarm::Load;
use crate::trace::Trace;
use bytes::Bytes;
use detcd_engine::key_range::KeyRange;
use detcd_engine::request::{
    Compare, CompareOperand, CompareResult, DeleteRangeRequest, LeaseId, PutLease, PutRequest, PutValue,
    RangeRequest, Reply, Request, RequestError, Response, Txn, TxnOp,
};
use madsim::time::{sleep, timeout};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// One client.
pub struct Client {
    /// Its place among the clients.
    pub place: usize,
    /// Where it asks.
    pub cluster: Cluster,
    /// Where it writes down what it was told.
    pub history: History,
    /// What it does.
    pub load: Load,
    /// Its own chance.
    pub stream: Stream,
    /// The run's.
    pub trace: Trace,
    /// Set when it is to end.
    pub ends: Arc<AtomicBool>,
}

impl Client {
    /// Until it is told to end.
    pub async fn run(mut self) {
        let mut member = self.stream.index(self.cluster.size());
        let mut last_seen: BTreeMap<Bytes, i64> = BTreeMap::new();
        let mut written = 0_u64;
        while !self.ends.load(Ordering::Relaxed) {
            sleep(self.stream.delay(Duration::from_millis(self.load.think_ms))).await;
            let key = Bytes::from(format!("k{}", self.stream.index(self.load.keys)));
            let call = self.draw_call(last_seen.get(&key).copied().unwrap_or(0), &mut written);
            let open = self.history.invoke(self.place, key.clone(), call.clone());
            let outcome = self.ask(member, &key, &call).await;
            self.trace.event("client", format_args!("{} {call:?} of {key:?}: {outcome:?}", self.place), &[]);
            match &outcome {
                Outcome::Done { revision, answer } => drop(last_seen.insert(key, seen(*revision, answer))),
                // Another member may know more.
                Outcome::Unknown | Outcome::Refused => member = (member + 1) % self.cluster.size(),
            }
            self.history.answer(open, outcome);
        }
    }

    fn draw_call(&mut self, expected: i64, written: &mut u64) -> Call {
        let Load { reads_per_million, deletes_per_million, swaps_per_million, value_bytes_max, .. } =
            self.load;
        let die = u32::try_from(self.stream.within(0..1_000_000)).expect("below a million");
        if die < reads_per_million {
            return Call::Read;
        }
        if die < reads_per_million + deletes_per_million {
            return Call::Delete;
        }
        *written += 1;
        let mut value = format!("{}.{written}", self.place);
        let length = self.stream.index(value_bytes_max);
        while value.len() < length {
            value.push('.');
        }
        let value = Bytes::from(value);
        if die < reads_per_million + deletes_per_million + swaps_per_million {
            return Call::Swap { expected, value };
        }
        Call::Put(value)
    }

    async fn ask(&mut self, member: usize, key: &Bytes, call: &Call) -> Outcome {
        let way = Duration::from_millis(self.stream.within(1..4));
        sleep(way).await;
        let Some(handle) = self.cluster.handle(member) else { return Outcome::Refused };
        let answer =
            timeout(Duration::from_millis(self.load.patience_ms), handle.request(request(key, call), false))
                .await;
        sleep(way).await;
        match answer {
            Ok(Ok(reply)) => done(reply),
            Ok(Err(error)) => undone(error),
            Err(_) => Outcome::Unknown,
        }
    }
}

/// The revision at which a client now thinks the key was last changed.
fn seen(revision: i64, answer: &Answer) -> i64 {
    match answer {
        Answer::Found(Some(version)) => version.mod_revision,
        Answer::Found(None) | Answer::Deleted(_) | Answer::Swapped(false) => 0,
        Answer::Put | Answer::Swapped(true) => revision,
    }
}

fn request(key: &Bytes, call: &Call) -> Request {
    match call {
        Call::Read => Request::Range(RangeRequest::of(KeyRange::One(key.clone()))),
        Call::Put(value) => Request::Put(put(key, value)),
        Call::Delete => {
            Request::DeleteRange(DeleteRangeRequest { range: KeyRange::One(key.clone()), prev_kv: false })
        }
        Call::Swap { expected, value } => Request::Txn(Txn {
            compares: vec![Compare {
                range: KeyRange::One(key.clone()),
                result: CompareResult::Equal,
                operand: CompareOperand::Mod(*expected),
            }],
            success: vec![TxnOp::Put(put(key, value))],
            failure: Vec::new(),
        }),
    }
}

fn put(key: &Bytes, value: &Bytes) -> PutRequest {
    PutRequest {
        key: key.clone(),
        value: PutValue::Set(value.clone()),
        lease: PutLease::Set(LeaseId(0)),
        prev_kv: false,
    }
}

fn done(reply: Reply) -> Outcome {
    let Reply { revision, response, .. } = reply;
    let answer = match response {
        Response::Range(found) => Answer::Found(found.kvs.first().map(Version::of)),
        Response::Put(_) => Answer::Put,
        Response::DeleteRange(deleted) => Answer::Deleted(deleted.deleted > 0),
        Response::Txn(txn) => Answer::Swapped(txn.succeeded),
        other => panic!("no client asked for {other:?}"),
    };
    Outcome::Done { revision, answer }
}

fn undone(error: RequestError) -> Outcome {
    match error {
        RequestError::NoLeader
        | RequestError::NotLeader
        | RequestError::LeaderChanged
        | RequestError::TooManyRequests
        | RequestError::Stopped
        | RequestError::Timeout
        | RequestError::TimeoutLeaderFailed
        | RequestError::TimeoutConnectionLost => Outcome::Unknown,
        other => panic!("promise broken: a well-formed request is not refused, but this was: {other}"),
    }
}
