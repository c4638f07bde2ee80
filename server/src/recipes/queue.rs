//! Who waits for a lock or a leadership, in the order in which they came: keys below a prefix, ordered by their create
//! revision. The layout is etcd's (docs/etcd-notes.md#locks-and-elections), so a client that runs the recipe itself
//! queues with those for whom a member runs it.
//!
//! Each waits for the deletion of the key before its own alone, so a deletion wakes one of them. It looks at its own key
//! too: a claim can go before its turn comes, with its lease.

use super::{ask, refused};
use crate::handle::MemberHandle;
use bytes::Bytes;
use detcd_engine::key_range::KeyRange;
use detcd_engine::request::{
    Compare, CompareOperand, CompareResult, DeleteRangeRequest, LeaseId, PutLease, PutRequest, PutValue,
    RangeRequest, RecordRef, Reply, RequestError, SortOrder, SortTarget, Txn, TxnOp, TxnOpResponse,
    TxnResponse,
};
use detcd_engine::txn::check;
use detcd_engine::watch::{WatchCreate, WatchInput, WatchResponse};

/// All keys of one name.
#[derive(Debug)]
pub(super) struct Queue {
    prefix: Vec<u8>,
}

/// One claim in a queue.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) key: Bytes,
    /// A key that was deleted and created again is another claim.
    pub(super) create_revision: i64,
}

/// A claim as it was made, or found: a lease has one in each queue.
#[derive(Debug)]
pub(super) struct Joined {
    pub(super) place: Place,
    pub(super) value: Bytes,
    /// It was not there before.
    pub(super) is_new: bool,
    /// Nobody came before.
    pub(super) is_first: bool,
}

impl Queue {
    pub(super) fn of(name: &[u8]) -> Queue {
        Queue { prefix: [name, b"/"].concat() }
    }

    /// Every key that begins with the prefix.
    pub(super) fn range(&self) -> KeyRange {
        let mut end = self.prefix.clone();
        // It is the prefix's slash.
        *end.last_mut().expect("a prefix has a slash") += 1;
        KeyRange::Span { start: self.prefix.clone().into(), end: end.into() }
    }

    fn key(&self, lease: LeaseId) -> Bytes {
        let sign = if lease.0 < 0 { "-" } else { "" };
        [self.prefix.as_slice(), format!("{sign}{:x}", lease.0.unsigned_abs()).as_bytes()].concat().into()
    }

    /// Of the one whose turn it is.
    pub(super) fn first(&self) -> RangeRequest {
        let (order, target) = (SortOrder::Ascend, SortTarget::Create);
        RangeRequest { order, target, limit: 1, ..RangeRequest::of(self.range()) }
    }

    /// Of the one whose turn comes before that of `place`.
    fn before(&self, place: &Place) -> RangeRequest {
        let (order, target) = (SortOrder::Descend, SortTarget::Create);
        let max_create_revision = place.create_revision - 1;
        assert!(max_create_revision > 0, "nothing is created at revision 1, and 0 bounds nothing");
        RangeRequest { order, target, limit: 1, max_create_revision, ..RangeRequest::of(self.range()) }
    }

    /// Takes the place at the end that belongs to a lease, unless it has one already.
    pub(super) async fn join(
        &self,
        member: &MemberHandle,
        lease: LeaseId,
        value: Bytes,
    ) -> Result<Reply<Joined>, RequestError> {
        let key = self.key(lease);
        let reads = [RangeRequest::of(KeyRange::One(key.clone())), self.first()].map(TxnOp::Range);
        let txn = Txn {
            compares: vec![is_created_at(&key, 0)],
            success: [put(&key, value, lease)].into_iter().chain(reads.clone()).collect(),
            failure: reads.into(),
        };
        let Reply { revision, term, response } = transact(member, txn).await?;
        let is_new = response.succeeded;
        let [own, first] = found(response).map(|record| record.expect("the key is there, or was put"));
        let place = Place { key, create_revision: own.create_revision() };
        let is_first = first.create_revision() == place.create_revision;
        let value = Bytes::copy_from_slice(own.value());
        Ok(Reply { revision, term, response: Joined { place, value, is_new, is_first } })
    }

    /// Waits until nobody is before `place` any more. `None` where the claim has gone: both are seen by one read, so that
    /// no claim is answered that was not there when its turn came.
    pub(super) async fn turn_of(
        &self,
        member: &MemberHandle,
        place: &Place,
    ) -> Result<Option<Reply<()>>, RequestError> {
        loop {
            let own = RangeRequest::of(KeyRange::One(place.key.clone()));
            let reads = [own, self.before(place)].map(TxnOp::Range).into();
            let read = Txn { compares: Vec::new(), success: reads, failure: Vec::new() };
            let Reply { revision, term, response } = transact(member, read).await?;
            let [own, before] = found(response);
            if own.is_none_or(|own| own.create_revision() != place.create_revision) {
                return Ok(None);
            }
            let Some(before) = before else { return Ok(Some(Reply { revision, term, response: () })) };
            let before = Bytes::copy_from_slice(before.key());
            one_is_deleted(member, [place.key.clone(), before], revision + 1).await?;
        }
    }
}

impl Place {
    /// Puts another value; `None` where the claim has gone.
    pub(super) async fn put(
        &self,
        member: &MemberHandle,
        value: Bytes,
        lease: LeaseId,
    ) -> Result<Option<Reply<()>>, RequestError> {
        let Reply { revision, term, response } =
            self.do_if_there(member, put(&self.key, value, lease)).await?;
        Ok(response.succeeded.then_some(Reply { revision, term, response: () }))
    }

    /// Gives the claim up. One that has gone stays so.
    pub(super) async fn leave(&self, member: &MemberHandle) -> Result<Reply<()>, RequestError> {
        let delete = DeleteRangeRequest { range: KeyRange::One(self.key.clone()), prev_kv: false };
        let Reply { revision, term, .. } = self.do_if_there(member, TxnOp::DeleteRange(delete)).await?;
        Ok(Reply { revision, term, response: () })
    }

    async fn do_if_there(
        &self,
        member: &MemberHandle,
        op: TxnOp,
    ) -> Result<Reply<TxnResponse>, RequestError> {
        if self.key.is_empty() {
            return Err(RequestError::EmptyKey);
        }
        let compares = vec![is_created_at(&self.key, self.create_revision)];
        transact(member, Txn { compares, success: vec![op], failure: Vec::new() }).await
    }
}

fn is_created_at(key: &Bytes, revision: i64) -> Compare {
    Compare {
        range: KeyRange::One(key.clone()),
        result: CompareResult::Equal,
        operand: CompareOperand::Create(revision),
    }
}

fn put(key: &Bytes, value: Bytes, lease: LeaseId) -> TxnOp {
    let (value, lease) = (PutValue::Set(value), PutLease::Set(lease));
    TxnOp::Put(PutRequest { key: key.clone(), value, lease, prev_kv: false })
}

async fn transact(member: &MemberHandle, txn: Txn) -> Result<Reply<TxnResponse>, RequestError> {
    ask(member, check(txn, usize::MAX)?).await
}

/// The first key of each of a transaction's two ranges.
fn found(response: TxnResponse) -> [Option<RecordRef>; 2] {
    let ranges = response.responses.into_iter().filter_map(|response| match response {
        TxnOpResponse::Range { response, .. } => Some(response.kvs.into_iter().next()),
        _ => None,
    });
    let ranges: Vec<Option<RecordRef>> = ranges.collect();
    ranges.try_into().expect("both branches have two ranges")
}

/// Waits until one of these keys is deleted at `revision` or later; returns too where history is compacted away in which
/// that may have happened.
async fn one_is_deleted(member: &MemberHandle, keys: [Bytes; 2], revision: i64) -> Result<(), RequestError> {
    let mut watch = member.open_watch(false);
    for key in keys {
        watch.send(WatchInput::Create(WatchCreate {
            id: None,
            range: KeyRange::One(key),
            start_revision: revision,
            progress_notify: false,
            no_put: true,
            no_delete: false,
            prev_kv: false,
            fragment: false,
        }));
    }
    loop {
        match watch.recv().await {
            Some(WatchResponse::Events { .. } | WatchResponse::Compacted { .. }) => return Ok(()),
            Some(WatchResponse::Rejected { reason, .. }) => return Err(refused(reason)),
            Some(_) => {}
            None => return Err(RequestError::Stopped),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_named_as_etcd_names_them() {
        let queue = Queue::of(b"name");
        assert_eq!(queue.key(LeaseId(0x7f1)), "name/7f1");
        assert_eq!(queue.key(LeaseId(-1)), "name/-1");
        assert_eq!(queue.key(LeaseId(i64::MIN)), "name/-8000000000000000");
        let range = KeyRange::Span { start: Bytes::from_static(b"name/"), end: Bytes::from_static(b"name0") };
        assert_eq!(queue.range(), range);
        assert_eq!(Queue::of(b"").range().start(), b"/");
    }
}
