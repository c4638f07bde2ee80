//! What clients asked and what they were told, with an order in time that all agree on.

use bytes::Bytes;
use detcd_engine::request::RecordRef;
use std::sync::{Arc, Mutex, MutexGuard};

/// What a client asks. Values are never the same twice in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// A linearizable read of one key.
    Read,
    /// A put.
    Put(Bytes),
    /// A delete.
    Delete,
    /// A put on condition that the key was last changed at `expected`; 0 where it does not exist.
    Swap {
        /// The revision.
        expected: i64,
        /// The new value.
        value: Bytes,
    },
}

/// One version of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Its value.
    pub value: Bytes,
    /// When the key came into being.
    pub create_revision: i64,
    /// When it was put.
    pub mod_revision: i64,
    /// How often it was put since it came into being.
    pub version: i64,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nobody knows: no answer came, or one that says as much. A write may have been done, or be done yet.
    Unknown,
    /// It never reached a member.
    Refused,
    /// It was done.
    Done {
        /// The header's.
        revision: i64,
        /// What it found.
        answer: Answer,
    },
}

/// What a client was told of what it asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Of a read.
    Found(Option<Version>),
    /// Of a put.
    Put,
    /// Of a delete: whether there was something.
    Deleted(bool),
    /// Of a swap: whether the condition held.
    Swapped(bool),
}

/// One call of one client.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Whose.
    pub client: usize,
    /// Of which key.
    pub key: Bytes,
    /// What was asked.
    pub call: Call,
    /// When, on the history's own clock, which every event moves.
    pub invoked: u64,
    /// When the outcome was known; the end of time where it never was.
    pub answered: u64,
    /// What became of it.
    pub outcome: Outcome,
}

/// All calls of a run. Cheap to clone; all clones are the same history.
#[derive(Clone, Debug, Default)]
pub struct History(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    clock: u64,
    operations: Vec<Operation>,
}

/// A call that waits for its outcome.
#[derive(Debug)]
pub struct Open(usize);

impl History {
    /// A client asks.
    pub fn invoke(&self, client: usize, key: Bytes, call: Call) -> Open {
        let mut inner = self.lock();
        inner.clock += 1;
        let invoked = inner.clock;
        let outcome = Outcome::Unknown;
        inner.operations.push(Operation { client, key, call, invoked, answered: u64::MAX, outcome });
        Open(inner.operations.len() - 1)
    }

    /// It is told. An unknown outcome has no time at which it was answered: the write may come yet.
    pub fn answer(&self, open: Open, outcome: Outcome) {
        let mut inner = self.lock();
        inner.clock += 1;
        let now = inner.clock;
        let operation = &mut inner.operations[open.0];
        operation.answered = if outcome == Outcome::Unknown { u64::MAX } else { now };
        operation.outcome = outcome;
    }

    /// How much was done so far.
    pub fn now(&self) -> u64 {
        self.lock().clock
    }

    /// All of it, in the order in which it was asked.
    pub fn operations(&self) -> Vec<Operation> {
        self.lock().operations.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("no panic while it is held")
    }
}

impl Version {
    /// As a member's store has it.
    pub fn of(record: &RecordRef) -> Version {
        Version {
            value: Bytes::copy_from_slice(record.value()),
            create_revision: record.create_revision(),
            mod_revision: record.mod_revision(),
            version: record.version(),
        }
    }
}
