//! Hashes of revisions: where etcd's answer is of the revision alone, and where it is of what etcd did before.
//!
//! etcd remembers the hashes that it computed during its last ten compactions, until it is stopped, and answers them for
//! their revisions whatever was compacted since. And where no key is there at a revision, its hash is also of what a
//! compaction has not removed yet. Neither is compared. Nor are hashes once a server has chosen the id of a lease, which
//! stands in the keys that hang on it: the two choose differently, and half of the scripts leave them no choice.

use super::Run;
use crate::catalog::Rpc;
use crate::client::Answer;
use prost_reflect::DynamicMessage;
use std::time::{Duration, Instant};

/// A compaction of a short script takes etcd a few milliseconds.
const COMPACTS_WITHIN: Duration = Duration::from_secs(10);
const ASKED_EVERY: Duration = Duration::from_millis(20);

impl Run {
    /// The two answers that are to be compared; `None` where etcd's is one that it remembers.
    pub(super) async fn settled_hash(
        &self,
        rpc: &Rpc,
        asked: &DynamicMessage,
        [ours, mut theirs]: [Answer; 2],
    ) -> Option<[Answer; 2]> {
        let is_own_lease_known = self.known.iter().any(|known| !known.leases.is_empty());
        let deadline = Instant::now() + COMPACTS_WITHIN;
        loop {
            if is_remembered(&ours, &theirs) {
                return None;
            }
            if is_own_lease_known {
                return Some([ours, theirs].map(without_hash));
            }
            let is_same = hash(&ours) == hash(&theirs);
            if is_same || ours.is_err() || theirs.is_err() || Instant::now() > deadline {
                return Some([ours, theirs]);
            }
            tokio::time::sleep(ASKED_EVERY).await;
            theirs = self.clients[1].call(rpc, &self.known[1].resolve(asked)).await;
        }
    }
}

fn number(answer: &Answer, name: &str) -> Option<i64> {
    answer.as_ref().ok()?.get_field_by_name(name)?.as_i64()
}

fn hash(answer: &Answer) -> Option<u32> {
    answer.as_ref().ok()?.get_field_by_name("hash")?.as_u32()
}

fn without_hash(mut answer: Answer) -> Answer {
    if let Ok(answer) = &mut answer {
        answer.clear_field_by_name("hash");
    }
    answer
}

/// Such an answer names an earlier compaction than the last.
fn is_remembered(ours: &Answer, theirs: &Answer) -> bool {
    let (compacted, revision) = ("compact_revision", "hash_revision");
    match ours {
        Err(refusal) => theirs.is_ok() && refusal.message.contains("has been compacted"),
        Ok(_) => {
            let of = number(theirs, revision);
            // A compaction at 0 is remembered for 0, which is asked for as the newest.
            number(theirs, compacted).is_some_and(|found| Some(found) < number(ours, compacted))
                && (of == Some(0) || of == number(ours, revision))
        }
    }
}
