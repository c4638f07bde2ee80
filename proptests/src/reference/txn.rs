//! Transactions: what may be asked at all, what is refused, what is done.
//!
//! A transaction writes at one revision. So the store as it was before is still there while it runs: a read at
//! `base`, the revision before. Every compare, every refusal is judged against that; only then is anything done.

use super::cluster::Cluster;
use super::key_range::KeyRange;
use super::request::{
    Compare, KeyValue, Op, OpAnswer, Operand, Put, Range, Refusal, Relation, Txn, TxnAnswer,
};
use bytes::Bytes;

/// Whether a member takes a transaction at all: no list longer than `ops_max`, or nested than what the longest list
/// around it left; no path that puts a key twice, or puts a key and deletes it by another operation.
///
/// # Errors
/// `TooManyOps`, `DuplicateKey`.
pub fn check(txn: &Txn, ops_max: usize) -> Result<(), Refusal> {
    check_sizes(txn, ops_max)?;
    writes(&txn.success)?;
    writes(&txn.failure)?;
    Ok(())
}

fn check_sizes(txn: &Txn, ops_max: usize) -> Result<(), Refusal> {
    let longest = [txn.compares.len(), txn.success.len(), txn.failure.len()].into_iter().max().unwrap_or(0);
    let left = ops_max.checked_sub(longest).ok_or(Refusal::TooManyOps)?;
    for op in txn.success.iter().chain(&txn.failure) {
        if let Op::Txn(nested) = op {
            check_sizes(nested, left)?;
        }
    }
    Ok(())
}

/// What a branch may put and delete, whichever way its nested transactions go.
type Writes = (Vec<Bytes>, Vec<KeyRange>);

/// A level's own deletes come first, whatever their place; then its nested transactions in order, the deletes of
/// each counting for what comes after it; then the level's own puts.
fn writes(ops: &[Op]) -> Result<Writes, Refusal> {
    let mut puts: Vec<Bytes> = Vec::new();
    let mut deletes: Vec<KeyRange> = Vec::new();
    for op in ops {
        if let Op::DeleteRange(delete) = op {
            deletes.push(delete.keys.clone());
        }
    }
    for op in ops {
        let Op::Txn(nested) = op else { continue };
        let (then_puts, then_deletes) = writes(&nested.success)?;
        let (else_puts, else_deletes) = writes(&nested.failure)?;
        for key in &then_puts {
            refuse_if(puts.contains(key) || is_deleted(&deletes, key), Refusal::DuplicateKey)?;
        }
        // Only one of the two branches runs: a key in both is put once.
        for key in &else_puts {
            refuse_if(puts.contains(key) || is_deleted(&deletes, key), Refusal::DuplicateKey)?;
        }
        puts.extend(then_puts.into_iter().chain(else_puts));
        deletes.extend(then_deletes.into_iter().chain(else_deletes));
    }
    for op in ops {
        if let Op::Put(put) = op {
            let is_twice = puts.contains(&put.key) || is_deleted(&deletes, &put.key);
            refuse_if(is_twice, Refusal::DuplicateKey)?;
            puts.push(put.key.clone());
        }
    }
    Ok((puts, deletes))
}

/// etcd does not count a range that ends nowhere here.
fn is_deleted(deletes: &[KeyRange], key: &Bytes) -> bool {
    deletes.iter().any(|keys| keys.contains(key) && !keys.is_endless())
}

fn refuse_if(condition: bool, refusal: Refusal) -> Result<(), Refusal> {
    if condition { Err(refusal) } else { Ok(()) }
}

impl Cluster {
    /// Runs a transaction, whole or not at all.
    ///
    /// # Errors
    /// The first refusal on its path, in the order of the operations.
    pub fn txn(&mut self, txn: &Txn) -> Result<TxnAnswer, Refusal> {
        let base = self.store.revision();
        self.refuse(base, txn, &mut Vec::new())?;
        Ok(self.run(base, txn))
    }

    fn branch<'a>(&self, base: i64, txn: &'a Txn) -> (bool, &'a [Op]) {
        let succeeded = txn.compares.iter().all(|compare| self.holds(base, compare));
        (succeeded, if succeeded { &txn.success } else { &txn.failure })
    }

    fn holds(&self, base: i64, compare: &Compare) -> bool {
        let found = self.store.at(&compare.keys, base);
        if found.is_empty() {
            // A key that was never written: all zeros. Of its value nothing can be said.
            let key = compare.keys.key.clone();
            let (value, lease) = (Bytes::new(), 0);
            let none = KeyValue { key, value, create_revision: 0, mod_revision: 0, version: 0, lease };
            return !matches!(compare.operand, Operand::Value(_)) && is_so(compare, &none);
        }
        found.iter().all(|is| is_so(compare, is))
    }

    /// `deleted` on the way here; nothing of it was put again, as `check` has seen.
    fn refuse(&self, base: i64, txn: &Txn, deleted: &mut Vec<KeyRange>) -> Result<(), Refusal> {
        for op in self.branch(base, txn).1 {
            match op {
                Op::Range(Range { revision, .. }) => {
                    refuse_if(*revision > base, Refusal::FutureRevision)?;
                    // 0 alone is the present here: what is negative was compacted, as far as etcd is concerned.
                    let is_compacted = *revision != 0 && *revision < self.store.compacted();
                    refuse_if(is_compacted, Refusal::Compacted)?;
                }
                Op::Put(put) => {
                    self.refuse_put(base, put)?;
                    let is_gone = deleted.iter().any(|keys| keys.contains(&put.key));
                    refuse_if(must_exist(put) && is_gone, Refusal::KeyNotFound)?;
                }
                Op::DeleteRange(delete) => deleted.push(delete.keys.clone()),
                Op::Txn(nested) => self.refuse(base, nested, deleted)?,
            }
        }
        Ok(())
    }

    /// Why a put is refused that is made on the store as it was at `base`.
    pub(super) fn refuse_put(&self, base: i64, put: &Put) -> Result<(), Refusal> {
        let is_unknown = |lease: i64| lease != 0 && self.leases.get(lease).is_none();
        refuse_if(put.lease.is_some_and(is_unknown), Refusal::LeaseNotFound)?;
        let is_missing = self.store.at(&KeyRange::one(put.key.clone()), base).is_empty();
        refuse_if(must_exist(put) && is_missing, Refusal::KeyNotFound)
    }

    fn run(&mut self, base: i64, txn: &Txn) -> TxnAnswer {
        let (succeeded, ops) = self.branch(base, txn);
        let mut answers = Vec::new();
        for op in ops {
            let answer = match op {
                Op::Range(range) => {
                    let found = self.store.found(range);
                    OpAnswer::Range(self.store.revision(), found)
                }
                Op::Put(put) => {
                    let before = self.put_at(base + 1, put);
                    OpAnswer::Put(self.store.revision(), before)
                }
                Op::DeleteRange(delete) => {
                    let deleted = self.delete_at(base + 1, delete);
                    OpAnswer::DeleteRange(self.store.revision(), deleted)
                }
                Op::Txn(nested) => OpAnswer::Txn(self.run(base, nested)),
            };
            answers.push(answer);
        }
        TxnAnswer { succeeded, answers }
    }
}

/// What it keeps is to be there.
fn must_exist(put: &Put) -> bool {
    put.value.is_none() || put.lease.is_none()
}

fn is_so(compare: &Compare, is: &KeyValue) -> bool {
    let ordering = match &compare.operand {
        Operand::Version(operand) => is.version.cmp(operand),
        Operand::Create(operand) => is.create_revision.cmp(operand),
        Operand::Mod(operand) => is.mod_revision.cmp(operand),
        Operand::Value(operand) => is.value.cmp(operand),
        Operand::Lease(operand) => is.lease.cmp(operand),
    };
    match compare.result {
        Relation::Equal => ordering.is_eq(),
        Relation::Greater => ordering.is_gt(),
        Relation::Less => ordering.is_lt(),
        Relation::NotEqual => ordering.is_ne(),
    }
}
