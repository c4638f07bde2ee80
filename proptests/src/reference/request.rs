//! What is asked and what is answered: etcd's messages with as few words as will do. Revisions and lease ids are
//! plain numbers, as on the wire.

use super::key_range::KeyRange;
use bytes::Bytes;

/// What changes the state. Everything a member decides for itself (a chosen lease id, a raised TTL) is in it.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// One key.
    Put(Put),
    /// A range of keys.
    DeleteRange(DeleteRange),
    /// Compare, then one branch.
    Txn(Txn),
    /// Make this revision the oldest readable one.
    Compact(i64),
    /// Create a lease of this id with a TTL in seconds.
    LeaseGrant(i64, i64),
    /// End a lease, and its keys with it.
    LeaseRevoke(i64),
}

/// What a write was answered.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// To a put: the key before, where asked.
    Put(Option<KeyValue>),
    /// To a delete.
    DeleteRange(Deleted),
    /// To a transaction.
    Txn(TxnAnswer),
    /// To anything else: done.
    Done,
}

/// Why something was refused, as etcd names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// *required revision has been compacted*.
    Compacted,
    /// *required revision is a future revision*.
    FutureRevision,
    /// *key not found*: a put that keeps the value or the lease of a key that is not there.
    KeyNotFound,
    /// *requested lease not found*.
    LeaseNotFound,
    /// *lease already exists*.
    LeaseExists,
    /// *too large lease TTL*.
    LeaseTtlTooLarge,
    /// *too many operations in txn request*.
    TooManyOps,
    /// *duplicate key given in txn request*.
    DuplicateKey,
}

/// One key as it is at some revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyValue {
    /// Its key.
    pub key: Bytes,
    /// Its value; empty where only keys were asked for.
    pub value: Bytes,
    /// When the key came into being.
    pub create_revision: i64,
    /// When it was last put.
    pub mod_revision: i64,
    /// How often it was put since it came into being.
    pub version: i64,
    /// The lease it hangs on, 0 for none.
    pub lease: i64,
}

/// Read keys.
#[derive(Clone, Debug, PartialEq)]
pub struct Range {
    /// Which.
    pub keys: KeyRange,
    /// At most so many; 0 or less for no limit.
    pub limit: i64,
    /// At which revision; 0 for the present.
    pub revision: i64,
    /// In which order.
    pub order: Order,
    /// Ordered by what.
    pub target: Target,
    /// Without values.
    pub keys_only: bool,
    /// Only the count.
    pub count_only: bool,
    /// Bounds of the mod revision, each 0 for none.
    pub min_mod_revision: i64,
    /// See `min_mod_revision`.
    pub max_mod_revision: i64,
    /// Bounds of the create revision, each 0 for none.
    pub min_create_revision: i64,
    /// See `min_create_revision`.
    pub max_create_revision: i64,
}

impl Range {
    /// A plain read of the present.
    pub fn of(keys: KeyRange) -> Range {
        Range {
            keys,
            limit: 0,
            revision: 0,
            order: Order::None,
            target: Target::Key,
            keys_only: false,
            count_only: false,
            min_mod_revision: 0,
            max_mod_revision: 0,
            min_create_revision: 0,
            max_create_revision: 0,
        }
    }
}

/// `SortOrder`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Not asked for.
    None,
    /// Smallest first.
    Ascend,
    /// Largest first.
    Descend,
}

/// `SortTarget`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The key.
    Key,
    /// The version.
    Version,
    /// The create revision.
    Create,
    /// The mod revision.
    Mod,
    /// The value.
    Value,
}

/// What a range read found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The keys.
    pub kvs: Vec<KeyValue>,
    /// The limit cut some off.
    pub more: bool,
    /// Keys of the range, whatever the limit and the bounds.
    pub count: i64,
}

/// Write one key.
#[derive(Clone, Debug, PartialEq)]
pub struct Put {
    /// The key.
    pub key: Bytes,
    /// Its value; `None` keeps the one it has (`ignore_value`).
    pub value: Option<Bytes>,
    /// Its lease, 0 for none; `None` keeps the one it has (`ignore_lease`).
    pub lease: Option<i64>,
    /// Answer with the key before.
    pub prev_kv: bool,
}

/// Delete keys.
#[derive(Clone, Debug, PartialEq)]
pub struct DeleteRange {
    /// Which.
    pub keys: KeyRange,
    /// Answer with the keys before.
    pub prev_kv: bool,
}

/// What was deleted.
#[derive(Clone, Debug, PartialEq)]
pub struct Deleted {
    /// How many.
    pub deleted: i64,
    /// The keys before, where asked.
    pub prev_kvs: Vec<KeyValue>,
}

/// Compare, then one branch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Txn {
    /// All must hold for `success`.
    pub compares: Vec<Compare>,
    /// Where they hold.
    pub success: Vec<Op>,
    /// Where one does not.
    pub failure: Vec<Op>,
}

impl Txn {
    /// Whether it only reads: it needs no log entry.
    pub fn is_read_only(&self) -> bool {
        self.success.iter().chain(&self.failure).all(|op| matches!(op, Op::Range(_)))
    }
}

/// One operation of a branch.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// Read.
    Range(Range),
    /// Write.
    Put(Put),
    /// Delete.
    DeleteRange(DeleteRange),
    /// A transaction inside.
    Txn(Txn),
}

/// One comparison, of each key in a range.
#[derive(Clone, Debug, PartialEq)]
pub struct Compare {
    /// The keys.
    pub keys: KeyRange,
    /// How: `found result operand`.
    pub result: Relation,
    /// With what.
    pub operand: Operand,
}

/// `CompareResult`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// The same.
    Equal,
    /// The key's is greater.
    Greater,
    /// The key's is less.
    Less,
    /// Not the same.
    NotEqual,
}

/// `CompareTarget` with its operand.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// The version.
    Version(i64),
    /// The create revision.
    Create(i64),
    /// The mod revision.
    Mod(i64),
    /// The value.
    Value(Bytes),
    /// The lease.
    Lease(i64),
}

/// What a transaction did.
#[derive(Clone, Debug, PartialEq)]
pub struct TxnAnswer {
    /// The compares held.
    pub succeeded: bool,
    /// One for each operation of the branch.
    pub answers: Vec<OpAnswer>,
}

/// What one operation did, and the store's revision as it was then (in the header of its answer).
#[derive(Clone, Debug, PartialEq)]
pub enum OpAnswer {
    /// To a range.
    Range(i64, Found),
    /// To a put.
    Put(i64, Option<KeyValue>),
    /// To a delete.
    DeleteRange(i64, Deleted),
    /// To a transaction inside, whose header is empty.
    Txn(TxnAnswer),
}
