//! What a member has done since it started, and how much it holds: plain numbers, for whoever watches over it.
//!
//! Nothing here is replicated, and nothing depends on it: a member that was given a snapshot instead of the entries has
//! counted less than the others.

use super::Engine;
use crate::command::Command;
use crate::request::{TxnOpResponse, TxnResponse};
use crate::state::{Applied, LeaseChange, Outcome};

/// Bounds of the classes that `LeaseTtls` counts in: 1, 2, 4 … seconds, so many of them, and one for all longer ones.
pub const LEASE_TTL_CLASSES: usize = 24;

/// What was done since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Puts applied, those of transactions among them.
    pub puts: u64,
    /// Their keys and values, in bytes.
    pub put_bytes: u64,
    /// DeleteRanges applied, however many keys each deleted.
    pub deletes: u64,
    /// Ranges of transactions that were applied.
    pub txn_ranges: u64,
    /// Transactions applied that did more than one thing.
    pub txns: u64,
    /// Versions of keys whose memory compactions gave back.
    pub compacted_versions: u64,
    /// Leases granted.
    pub leases_granted: u64,
    /// Leases ended, by a client or because their time was over.
    pub leases_ended: u64,
    /// Of those, by time.
    pub leases_expired: u64,
    /// Keepalives that this member, leading, answered with a new deadline.
    pub leases_renewed: u64,
    /// The TTLs that leases were granted with.
    pub lease_ttls: LeaseTtls,
    /// Clients' commands that were not known to be applied in time.
    pub proposals_failed: u64,
    /// Linearizable reads that no leader confirmed in time.
    pub reads_failed: u64,
    /// How often a leader was seen that was not the last one.
    pub leader_changes: u64,
}

/// How long leases were to live.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaseTtls {
    /// Leases by the smallest power of two, in seconds, that is not below their TTL; the last is for all above.
    pub classes: [u64; LEASE_TTL_CLASSES + 1],
    /// All TTLs together, in seconds.
    pub sum_secs: u64,
}

/// What a member has done, and what it holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measurements {
    /// Since the start.
    pub counters: Counters,
    /// Keys that are there.
    pub keys: u64,
    /// Commands of this member's clients that wait to be applied.
    pub proposals_pending: u64,
    /// Open watch streams.
    pub watch_streams: u64,
    /// Watchers of all of them.
    pub watchers: u64,
    /// Of those, the ones that have not been sent all that was applied.
    pub slow_watchers: u64,
}

impl Engine {
    /// What the member has done and what it holds. Takes time for each watch stream.
    pub fn measurements(&self) -> Measurements {
        Measurements {
            counters: self.counters.clone(),
            keys: self.state.mvcc.current().keys(),
            proposals_pending: self.pending.commands_waiting(),
            watch_streams: self.watches.stream_count(),
            watchers: self.watches.watcher_count(),
            slow_watchers: self.watches.slow_watcher_count(),
        }
    }
}

impl Counters {
    /// A command was applied.
    pub(super) fn note_applied(&mut self, command: &Command, applied: &Applied) {
        let effect = &applied.effect;
        for change in effect.changes.iter().filter(|change| !change.is_tombstone()) {
            self.puts += 1;
            self.put_bytes += (change.key().len() + change.value().len()) as u64;
        }
        for change in &effect.leases {
            match change {
                LeaseChange::Granted(_, ttl_secs) => {
                    self.leases_granted += 1;
                    self.lease_ttls.note(ttl_secs.unsigned_abs());
                }
                LeaseChange::Ended(_) => {
                    self.leases_ended += 1;
                    self.leases_expired += u64::from(matches!(command, Command::LeaseExpire(_)));
                }
                LeaseChange::Cleared(_) => {}
            }
        }
        match &applied.outcome {
            Ok(Outcome::DeleteRange(_)) => self.deletes += 1,
            Ok(Outcome::Txn(done)) => self.note_txn(done),
            Ok(Outcome::UnfinishedTxn(unfinished)) => self.note_txn(unfinished.response()),
            _ => {}
        }
    }

    fn note_txn<R>(&mut self, done: &TxnResponse<R>) {
        let operations = self.note_operations(done);
        self.txns += u64::from(operations > 1);
    }

    /// How many operations it did; puts are counted by their changes.
    fn note_operations<R>(&mut self, done: &TxnResponse<R>) -> u64 {
        let mut operations = 0;
        for response in &done.responses {
            operations += match response {
                TxnOpResponse::Range { .. } => {
                    self.txn_ranges += 1;
                    1
                }
                TxnOpResponse::Put { .. } => 1,
                TxnOpResponse::DeleteRange { .. } => {
                    self.deletes += 1;
                    1
                }
                TxnOpResponse::Txn(nested) => self.note_operations(nested),
            };
        }
        operations
    }
}

impl LeaseTtls {
    fn note(&mut self, ttl_secs: u64) {
        let class = ttl_secs.max(1).next_power_of_two().trailing_zeros() as usize;
        self.classes[class.min(LEASE_TTL_CLASSES)] += 1;
        self.sum_secs += ttl_secs;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ttl_is_in_the_class_of_the_next_power_of_two() {
        let mut ttls = LeaseTtls::default();
        for ttl_secs in [1, 2, 3, 4, 5, 60, 8_388_608, 8_388_609, 9_000_000_000] {
            ttls.note(ttl_secs);
        }
        let classes: Vec<(usize, u64)> =
            ttls.classes.iter().copied().enumerate().filter(|(_, count)| *count > 0).collect();
        assert_eq!(classes, [(0, 1), (1, 1), (2, 2), (3, 1), (6, 1), (23, 1), (24, 2)]);
        assert_eq!(ttls.sum_secs, 9_016_777_292);
    }
}
