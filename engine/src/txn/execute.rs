//! Refuse everything that can be refused, then run the chosen branch.

use super::Source;
use super::compare::{self, COMPARE_LOOKS_MAX, Path};
use super::later::{self, RANGE_LOOKS_MAX, TxnRange, Unfinished};
use crate::ids::LeaseId;
use crate::key_range::KeyRange;
use crate::lease::Lessor;
use crate::mvcc::{RecordRef, View, Write};
use crate::request::{
    DeleteRangeRequest, DeleteRangeResponse, PutLease, PutRequest, PutValue, RangeRequest, RequestError, Txn,
    TxnOp, TxnOpResponse, TxnResponse,
};
use bytes::Bytes;

/// Runs a transaction inside an open write. Its response lacks the answers to large ranges, if it has any.
///
/// # Errors
/// `TooManyKeysCompared`, or whatever `refusals` finds; then nothing was changed.
pub(crate) fn run(
    write: &mut Write<'_>,
    leases: &mut Lessor,
    txn: &Txn,
) -> Result<Result<TxnResponse, Unfinished>, RequestError> {
    let mut looks_left = COMPARE_LOOKS_MAX;
    let path = compare::path(write.current(), txn, &mut looks_left);
    let path = path.ok_or(RequestError::TooManyKeysCompared)?;
    refusals(write, Some(leases), txn, &path)?;
    let mut looks_left = RANGE_LOOKS_MAX;
    Ok(later::finished(run_branch(write, leases, txn, &path, &mut looks_left)))
}

/// Looks for a reason to refuse, in the order of the operations, against the store as it was before: a revision that
/// is compacted or in the future, a lease that is not there, a key that must exist and does not.
///
/// A negative revision is compared like any other here, so that a compacted store refuses it: 0 alone means the
/// current revision inside a transaction (etcd's `checkRange`).
pub(super) fn refusals(
    source: &impl Source,
    leases: Option<&Lessor>,
    txn: &Txn,
    path: &Path,
) -> Result<(), RequestError> {
    look_for_refusals(source, leases, txn, path, &mut None)
}

/// `emptied_from`: no key from this one on is there any more where the operation is that is looked at. Of all deletes
/// only those without an end may hit a key that is put too (see `check`).
fn look_for_refusals<'t>(
    source: &impl Source,
    leases: Option<&Lessor>,
    txn: &'t Txn,
    path: &'t Path,
    emptied_from: &mut Option<&'t Bytes>,
) -> Result<(), RequestError> {
    for (op, nested) in path.ops(txn) {
        match op {
            TxnOp::Range(range) => check_revision(source, range.revision)?,
            TxnOp::Put(put) => {
                let leases = leases.expect("a transaction that puts is never evaluated from a view");
                check_put(source, leases, put)?;
                // etcd finds this out when the delete is done already, and its members end, all of them.
                if keeps(put) && emptied_from.is_some_and(|start| *start <= put.key) {
                    return Err(RequestError::KeyNotFound);
                }
            }
            TxnOp::DeleteRange(DeleteRangeRequest { range: KeyRange::From(start), .. }) => {
                *emptied_from = Some(emptied_from.map_or(start, |other| other.min(start)));
            }
            TxnOp::DeleteRange(_) => {}
            TxnOp::Txn(txn) => {
                let path = nested.expect("a nested transaction has a path");
                look_for_refusals(source, leases, txn, path, emptied_from)?;
            }
        }
    }
    Ok(())
}

fn check_revision(source: &impl Source, revision: i64) -> Result<(), RequestError> {
    if revision == 0 {
        Ok(())
    } else if revision > source.base_revision() {
        Err(RequestError::FutureRevision)
    } else if revision < source.compacted_revision() {
        Err(RequestError::Compacted)
    } else {
        Ok(())
    }
}

fn check_put(source: &impl Source, leases: &Lessor, put: &PutRequest) -> Result<(), RequestError> {
    if let PutLease::Set(id) = put.lease
        && id != LeaseId(0)
        && !leases.contains(id)
    {
        return Err(RequestError::LeaseNotFound);
    }
    if keeps(put) {
        source.current().get(&put.key).ok_or(RequestError::KeyNotFound)?;
    }
    Ok(())
}

/// Whether its key must be there.
fn keeps(put: &PutRequest) -> bool {
    put.value == PutValue::Keep || put.lease == PutLease::Keep
}

/// A plain put, inside an open write.
///
/// # Errors
/// `LeaseNotFound`, `KeyNotFound`; then nothing was changed.
pub(crate) fn put(
    write: &mut Write<'_>,
    leases: &mut Lessor,
    request: &PutRequest,
) -> Result<Option<RecordRef>, RequestError> {
    check_put(write, leases, request)?;
    Ok(put_checked(write, leases, request))
}

fn put_checked(write: &mut Write<'_>, leases: &mut Lessor, request: &PutRequest) -> Option<RecordRef> {
    let kept = match (&request.value, request.lease) {
        (PutValue::Set(_), PutLease::Set(_)) => None,
        (PutValue::Keep, _) | (_, PutLease::Keep) => {
            Some(write.get(&request.key).expect("a key whose value or lease is kept was found by check_put"))
        }
    };
    let lease = match (request.lease, &kept) {
        (PutLease::Set(id), _) => id,
        (PutLease::Keep, Some(kept)) => kept.lease(),
        (PutLease::Keep, None) => unreachable!("kept is read above whenever the lease is kept"),
    };
    let value = match (&request.value, &kept) {
        (PutValue::Set(value), _) => value.as_ref(),
        (PutValue::Keep, Some(kept)) => kept.value(),
        (PutValue::Keep, None) => unreachable!("kept is read above whenever the value is kept"),
    };
    let (_, prev) = write.put(&request.key, value, lease);
    let prev_lease = prev.as_ref().map_or(LeaseId(0), |prev| prev.lease());
    if prev_lease != lease {
        if prev_lease != LeaseId(0) {
            leases.detach(prev_lease, &request.key);
        }
        if lease != LeaseId(0) {
            // A copy: the request's key is a slice of a whole log entry.
            leases.attach(lease, Bytes::copy_from_slice(&request.key));
        }
    }
    prev.filter(|_| request.prev_kv)
}

/// A plain delete, inside an open write. Never refused.
pub(crate) fn delete_range(
    write: &mut Write<'_>,
    leases: &mut Lessor,
    request: &DeleteRangeRequest,
) -> DeleteRangeResponse {
    let prevs = write.delete_range(&request.range);
    for prev in &prevs {
        if prev.lease() != LeaseId(0) {
            leases.detach(prev.lease(), &Bytes::copy_from_slice(prev.key()));
        }
    }
    let deleted = prevs.len() as u64;
    DeleteRangeResponse { deleted, prev_kvs: if request.prev_kv { prevs } else { Vec::new() } }
}

fn run_branch(
    write: &mut Write<'_>,
    leases: &mut Lessor,
    txn: &Txn,
    path: &Path,
    looks_left: &mut u64,
) -> TxnResponse<TxnRange> {
    let mut responses = Vec::new();
    for (op, nested) in path.ops(txn) {
        responses.push(match op {
            TxnOp::Range(range) => {
                let response = run_range(write, range, looks_left);
                TxnOpResponse::Range { revision: write.revision(), response }
            }
            TxnOp::Put(put) => {
                let prev_kv = put_checked(write, leases, put);
                TxnOpResponse::Put { revision: write.revision(), prev_kv }
            }
            TxnOp::DeleteRange(delete) => {
                let response = delete_range(write, leases, delete);
                TxnOpResponse::DeleteRange { revision: write.revision(), response }
            }
            TxnOp::Txn(txn) => TxnOpResponse::Txn(run_branch(
                write,
                leases,
                txn,
                nested.expect("a nested transaction has a path"),
                looks_left,
            )),
        });
    }
    TxnResponse { succeeded: path.succeeded, responses }
}

/// Evaluates a range while that takes few looks, of which one is for the range itself.
fn run_range(write: &Write<'_>, range: &RangeRequest, looks_left: &mut u64) -> TxnRange {
    let found = looks_left.checked_sub(1).and_then(|left| {
        *looks_left = left;
        write.small_range(range, looks_left)
    });
    match found {
        Some(found) => TxnRange::Found(found.expect("its revision was checked before anything was written")),
        None => {
            *looks_left = 0;
            TxnRange::Later(Box::new(write.later_range(range)))
        }
    }
}

/// Runs a branch of ranges against an unchanging view; `None` where that takes more looks at keys than are left.
pub(super) fn read(
    view: &View,
    txn: &Txn,
    path: &Path,
    keys_left: &mut u64,
) -> Option<Result<TxnResponse, RequestError>> {
    let mut responses = Vec::new();
    for (op, _) in path.ops(txn) {
        match op {
            TxnOp::Range(range) => match view.small_range(range, keys_left)? {
                Ok(response) => responses.push(TxnOpResponse::Range { revision: view.revision(), response }),
                Err(refusal) => return Some(Err(refusal.into())),
            },
            TxnOp::Put(_) | TxnOp::DeleteRange(_) | TxnOp::Txn(_) => {
                unreachable!("only a transaction of ranges is evaluated from a view")
            }
        }
    }
    Some(Ok(TxnResponse { succeeded: path.succeeded, responses }))
}
