//! The replicated half of leases: what was granted, and which keys are attached.
//!
//! Leases are sorted by id, in chunks of a few hundred behind reference counts, so that a view for a snapshot in the
//! background is one pointer. The first change after a view copies the list of chunks (2,000 pointers for a million
//! leases: some tens of microseconds) and then each chunk it touches, once. A lease without keys costs about 60 bytes.
//!
//! The attached keys are no state of their own: they are the live records' lease fields, indexed by lease. So they are
//! neither in the view nor in the hash; whoever loads a snapshot attaches them again from the records.

use super::granted::{BadLeases, Lease, check};
use crate::ids::Grant;
use crate::request::{LeaseId, RequestError};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A chunk splits in two above this. 512 leases are 20 KiB: copied in a few microseconds.
const CHUNK_LEASES_MAX: usize = 512;

type Chunk = Vec<Lease>;
/// Chunks by the id they begin at. A chunk is never empty; its first id may be above the one it is filed under.
type Chunks = BTreeMap<LeaseId, Arc<Chunk>>;

/// All leases and their keys. Changed by `apply` alone.
#[derive(Clone, Debug, Default)]
pub struct Lessor {
    chunks: Arc<Chunks>,
    len: usize,
    /// How many there ever were: the number of the last grant.
    grants: u64,
    hash: u128,
    /// Every attachment, so that the keys of a lease are one sorted stretch and a lease without keys costs nothing.
    attached: BTreeSet<(LeaseId, Bytes)>,
}

/// The leases at one moment. A clone is a pointer.
#[derive(Clone, Debug, Default)]
pub struct LeaseView {
    chunks: Arc<Chunks>,
    len: usize,
    grants: u64,
}

impl LeaseView {
    /// The leases in ascending order of id.
    pub fn iter(&self) -> impl Iterator<Item = &Lease> {
        self.chunks.values().flat_map(|chunk| chunk.iter())
    }

    /// Those with an id above this one: a writer that works in pieces goes on after the last one it wrote.
    pub fn iter_after(&self, id: Option<LeaseId>) -> impl Iterator<Item = &Lease> {
        let is_after = move |lease: &&Lease| id.is_none_or(|id| lease.id > id);
        let chunk = id.and_then(|id| self.chunks.range(..=id).next_back()).map(|(first, _)| *first);
        let chunks = chunk.map_or_else(|| self.chunks.range(..), |first| self.chunks.range(first..));
        chunks.flat_map(|(_, chunk)| chunk.iter()).filter(is_after)
    }

    /// How many grants there ever were.
    pub fn grants(&self) -> u64 {
        self.grants
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl PartialEq for LeaseView {
    fn eq(&self, other: &LeaseView) -> bool {
        self.len == other.len && self.grants == other.grants && self.iter().eq(other.iter())
    }
}

impl Lessor {
    /// The leases of a snapshot, in ascending order of id, out of so many grants. The caller attaches the keys.
    pub fn from_leases(grants: u64, leases: impl IntoIterator<Item = Lease>) -> Result<Lessor, BadLeases> {
        let mut chunks = Chunks::new();
        let mut chunk = Chunk::new();
        let (mut len, mut hash, mut after) = (0, 0u128, None);
        for lease in leases {
            check(&lease, after, grants)?;
            after = Some(lease.id);
            len += 1;
            hash = hash.wrapping_add(lease.hash());
            if chunk.len() == CHUNK_LEASES_MAX / 2 {
                chunks.insert(chunk[0].id, Arc::new(std::mem::take(&mut chunk)));
            }
            chunk.push(lease);
        }
        if !chunk.is_empty() {
            chunks.insert(chunk[0].id, Arc::new(chunk));
        }
        Ok(Lessor { chunks: Arc::new(chunks), len, grants, hash, attached: BTreeSet::new() })
    }

    /// Creates a lease. Fails with `LeaseExists` where the id is taken. The receiving member chose an id in place
    /// of 0 and raised the TTL before it proposed, and refused what is too large.
    pub fn grant(&mut self, id: LeaseId, ttl_secs: i64) -> Result<Grant, RequestError> {
        assert!(id.0 != 0 && ttl_secs > 0, "granting lease {} with a TTL of {ttl_secs} s", id.0);
        if self.contains(id) {
            return Err(RequestError::LeaseExists);
        }
        self.grants += 1;
        let lease =
            Lease { id, grant_number: self.grants, granted_ttl_secs: ttl_secs, remaining_ttl_secs: None };
        self.insert(lease);
        Ok(lease.grant())
    }

    /// Ends a lease and detaches its keys, which are returned in order: the caller deletes them, in one revision.
    /// Fails with `LeaseNotFound`.
    pub fn revoke(&mut self, id: LeaseId) -> Result<Vec<Bytes>, RequestError> {
        if !self.contains(id) {
            return Err(RequestError::LeaseNotFound);
        }
        let keys: Vec<Bytes> = self.keys(id).cloned().collect();
        for key in &keys {
            self.attached.remove(&(id, key.clone()));
        }
        self.remove(id);
        Ok(keys)
    }

    /// The lease of this id.
    pub fn get(&self, id: LeaseId) -> Option<&Lease> {
        let (_, chunk) = self.chunks.range(..=id).next_back()?;
        let position = chunk.binary_search_by_key(&id, |lease| lease.id).ok()?;
        Some(&chunk[position])
    }

    /// Whether there is a lease of this id.
    pub fn contains(&self, id: LeaseId) -> bool {
        self.get(id).is_some()
    }

    /// Whether the lease of this very grant is still there.
    pub fn is_granted(&self, grant: Grant) -> bool {
        self.get(grant.lease).is_some_and(|lease| lease.grant() == grant)
    }

    /// Attaches a key to a lease. The caller made sure that the lease exists, and detached the key from the lease it
    /// was attached to before.
    pub fn attach(&mut self, id: LeaseId, key: Bytes) {
        // I9
        assert!(self.contains(id), "key {key:?} attached to lease {}, which does not exist", id.0);
        self.attached.insert((id, key));
    }

    /// Detaches a key from a lease. Nothing happens where it is not attached: a revoke detaches the keys first and
    /// deletes them after.
    pub fn detach(&mut self, id: LeaseId, key: &Bytes) {
        self.attached.remove(&(id, key.clone()));
    }

    /// The keys of a lease, in order.
    pub fn keys(&self, id: LeaseId) -> impl Iterator<Item = &Bytes> {
        let from = (id, Bytes::new());
        self.attached.range(from..).take_while(move |(of, _)| *of == id).map(|(_, key)| key)
    }

    /// Records what is left of a lease, at least a second and at most its TTL. The caller made sure that it exists.
    pub fn checkpoint(&mut self, id: LeaseId, remaining_secs: i64) {
        self.update(id, |lease| {
            lease.remaining_ttl_secs = Some(remaining_secs.clamp(1, lease.granted_ttl_secs))
        });
    }

    /// Forgets what was recorded as left: the lease, which exists, has its full TTL again.
    pub fn clear_remaining(&mut self, id: LeaseId) {
        self.update(id, |lease| lease.remaining_ttl_secs = None);
    }

    /// The leases in ascending order of id.
    pub fn iter(&self) -> impl Iterator<Item = &Lease> {
        self.chunks.values().flat_map(|chunk| chunk.iter())
    }

    /// How many grants there ever were.
    pub fn grants(&self) -> u64 {
        self.grants
    }

    /// How many leases there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The sum of the hashes of all leases: equal for equal leases, whatever the order they came in.
    pub fn hash(&self) -> u128 {
        self.hash
    }

    /// The leases as they are now.
    pub fn view(&self) -> LeaseView {
        LeaseView { chunks: Arc::clone(&self.chunks), len: self.len, grants: self.grants }
    }

    fn insert(&mut self, lease: Lease) {
        let chunks = Arc::make_mut(&mut self.chunks);
        self.len += 1;
        self.hash = self.hash.wrapping_add(lease.hash());
        // A lease below all others joins the first chunk under a new name, or the chunk could never be found again.
        let filed_under = match chunks.range(..=lease.id).next_back() {
            Some((&first, _)) => first,
            None => {
                let chunk = chunks.pop_first().map_or_else(Arc::default, |(_, chunk)| chunk);
                chunks.insert(lease.id, chunk);
                lease.id
            }
        };
        let chunk = Arc::make_mut(chunks.get_mut(&filed_under).expect("found or made above"));
        let position = chunk.partition_point(|other| other.id < lease.id);
        chunk.insert(position, lease);
        if chunk.len() > CHUNK_LEASES_MAX {
            let upper = chunk.split_off(chunk.len() / 2);
            chunks.insert(upper[0].id, Arc::new(upper));
        }
    }

    fn remove(&mut self, id: LeaseId) {
        let chunks = Arc::make_mut(&mut self.chunks);
        let (&filed_under, chunk) = chunks.range_mut(..=id).next_back().expect("the caller found the lease");
        let chunk = Arc::make_mut(chunk);
        let position = chunk.binary_search_by_key(&id, |lease| lease.id).expect("the caller found the lease");
        let lease = chunk.remove(position);
        self.len -= 1;
        self.hash = self.hash.wrapping_sub(lease.hash());
        if chunk.len() < CHUNK_LEASES_MAX / 4 {
            merge_into_lower(chunks, filed_under);
        }
    }

    fn update(&mut self, id: LeaseId, change: impl FnOnce(&mut Lease)) {
        let before = *self.get(id).expect("the caller made sure that it exists");
        let mut after = before;
        change(&mut after);
        if after == before {
            return;
        }
        let (_, chunk) = Arc::make_mut(&mut self.chunks).range_mut(..=id).next_back().expect("found above");
        let chunk = Arc::make_mut(chunk);
        let position = chunk.binary_search_by_key(&id, |lease| lease.id).expect("found above");
        chunk[position] = after;
        self.hash = self.hash.wrapping_sub(before.hash()).wrapping_add(after.hash());
    }
}

/// Joins a chunk that has become small with the one below it, where both fit in one with room to spare; drops it
/// where it is empty. Without this, chunks of one lease each would remain of a million.
fn merge_into_lower(chunks: &mut Chunks, filed_under: LeaseId) {
    let small = &chunks[&filed_under];
    if small.is_empty() {
        chunks.remove(&filed_under);
        return;
    }
    let Some((&lower, neighbour)) = chunks.range(..filed_under).next_back() else { return };
    if neighbour.len() + small.len() <= CHUNK_LEASES_MAX / 2 {
        let small = chunks.remove(&filed_under).expect("indexed above");
        Arc::make_mut(chunks.get_mut(&lower).expect("found above")).extend_from_slice(&small);
    }
}
