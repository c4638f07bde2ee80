//! A state as etcd's snapshot file, in pieces.
//!
//! Everything is gone through twice, in the order in which it stands in the file: once to count the pages, since the first
//! of them names the last, and once to write them. Between two pieces nothing is in memory but the view, a place in
//! it, and what `ByRevision` gathers of versions that are older than the compacted revision.

use super::key_bucket;
use super::protobuf::PutField;
use super::small_buckets::{self, Release, Small};
use crate::bbolt::{PAGE_BYTES, Pages, TreeWriter, meta_pages, write_root};
use crate::ids::LeaseId;
use crate::lease::Lease;
use crate::mvcc::{ByRevision, RecordRef};
use crate::state::StateView;
use std::vec::IntoIter;

/// Keys or changes that are looked at in one go: below a millisecond.
const LOOKS_AT_ONCE: usize = 1024;
/// Pages that wait to be taken from a pass before it goes on.
const WAITING_BYTES: usize = 64 * 1024;
/// Leases that are written in one go.
const LEASES_AT_ONCE: usize = 1024;

/// A file on its way.
#[derive(Debug)]
pub struct Export {
    state: StateView,
    release: Release,
    pass: Pass,
    /// Known once the pages are counted.
    counted: Option<Counted>,
    is_begun: bool,
    is_done: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Counted {
    root: u64,
    pages: u64,
}

/// Everything gone through once.
#[derive(Debug)]
struct Pass {
    pages: Pages,
    /// The bucket that is being written, its tree, and the roots of those before.
    bucket: usize,
    tree: TreeWriter,
    roots: Vec<(&'static [u8], u64)>,
    records: ByRevision,
    /// Found and not yet written.
    found: IntoIter<RecordRef>,
    last_lease: Option<LeaseId>,
}

/// What a bucket is filled with.
#[derive(Clone, Copy, Debug)]
enum Content {
    Versions,
    Leases,
    Small(Small),
}

/// The buckets in ascending order of their names.
const BUCKETS: [(&[u8], Content); 10] = [
    (b"alarm", Content::Small(Small::Alarm)),
    (b"auth", Content::Small(Small::Auth)),
    (b"authRoles", Content::Small(Small::Roles)),
    (b"authUsers", Content::Small(Small::Users)),
    (b"cluster", Content::Small(Small::Cluster)),
    (key_bucket::NAME, Content::Versions),
    (b"lease", Content::Leases),
    (b"members", Content::Small(Small::Members)),
    (b"members_removed", Content::Small(Small::Empty)),
    (b"meta", Content::Small(Small::Meta)),
];

impl Export {
    /// Begins a file of this state.
    pub fn new(state: StateView, release: Release) -> Export {
        let pass = Pass::new(&state, Pages::counted());
        Export { state, release, pass, counted: None, is_begun: false, is_done: false }
    }

    /// Counts pages for some milliseconds. The length of the file in bytes, once that is known.
    pub fn measure(&mut self) -> Option<u64> {
        for _ in 0..16 {
            if let Some(Counted { pages, .. }) = self.counted {
                return Some(pages * PAGE_BYTES as u64);
            }
            if let Some(root) = self.pass.go_on(&self.state, &self.release) {
                self.counted = Some(Counted { root, pages: self.pass.pages.count() });
                self.pass = Pass::new(&self.state, Pages::written());
            }
        }
        None
    }

    /// The next bytes of the file: about so many, and more where a value is larger; of the last piece fewer, and none
    /// behind it. Panics where the file is not measured.
    pub fn next_piece(&mut self, bytes: usize) -> Option<Vec<u8>> {
        let counted = self.counted.expect("a file is measured before it is written");
        let mut piece = Vec::new();
        if !std::mem::replace(&mut self.is_begun, true) {
            piece = meta_pages(counted.root, counted.pages);
        }
        while !self.is_done && piece.len() < bytes {
            if let Some(root) = self.pass.go_on(&self.state, &self.release) {
                self.is_done = true;
                let written = Counted { root, pages: self.pass.pages.count() };
                assert_eq!(written, counted, "what was counted of a view is what is written of it");
            }
            piece.append(&mut self.pass.pages.take());
        }
        (!piece.is_empty()).then_some(piece)
    }
}

impl Pass {
    fn new(state: &StateView, pages: Pages) -> Pass {
        Pass {
            pages,
            bucket: 0,
            tree: TreeWriter::default(),
            roots: Vec::new(),
            records: state.mvcc.by_revision(),
            found: Vec::new().into_iter(),
            last_lease: None,
        }
    }

    /// Goes on by some entries, or to the next bucket. The root page, once all is there.
    fn go_on(&mut self, state: &StateView, release: &Release) -> Option<u64> {
        let Some((name, content)) = BUCKETS.get(self.bucket) else {
            return Some(write_root(&mut self.pages, &self.roots));
        };
        let is_filled = match content {
            Content::Versions => self.some_versions(),
            Content::Leases => self.some_leases(state),
            Content::Small(small) => {
                for (key, value) in small_buckets::entries(*small, state, release) {
                    self.tree.put(&mut self.pages, &key, value.len(), |out| out.extend_from_slice(&value));
                }
                true
            }
        };
        if is_filled {
            let root = std::mem::take(&mut self.tree).finish(&mut self.pages);
            self.roots.push((name, root));
            self.bucket += 1;
        }
        None
    }

    /// Whether that was all.
    fn some_versions(&mut self) -> bool {
        let mut key = Vec::new();
        // A version may be as large as the largest request: no more of them wait than need be.
        while self.pages.waiting_bytes() < WAITING_BYTES {
            let Some(record) = self.found.next() else {
                if self.records.is_done() {
                    return true;
                }
                self.found = self.records.next_records(LOOKS_AT_ONCE).into_iter();
                return false;
            };
            key.clear();
            key_bucket::put_key(&mut key, &record);
            let value_bytes = key_bucket::value_bytes(&record);
            self.tree.put(&mut self.pages, &key, value_bytes, |out| key_bucket::put_value(out, &record));
        }
        false
    }

    /// As `some_versions`.
    fn some_leases(&mut self, state: &StateView) -> bool {
        let mut written = 0;
        for lease in leases_from(state, self.last_lease).take(LEASES_AT_ONCE) {
            let value = lease_value(lease);
            let key = lease.id.0.to_be_bytes();
            self.tree.put(&mut self.pages, &key, value.len(), |out| out.extend_from_slice(&value));
            self.last_lease = Some(lease.id);
            written += 1;
        }
        written < LEASES_AT_ONCE
    }
}

/// The leases behind one, in the order of the bytes of their ids: negative ones last.
fn leases_from(state: &StateView, last: Option<LeaseId>) -> impl Iterator<Item = &Lease> {
    let is_positive = |lease: &&Lease| lease.id.0 > 0;
    let positive_after = match last {
        None => Some(LeaseId(0)),
        Some(id) => Some(id).filter(|id| id.0 > 0),
    };
    let negative_after = last.filter(|id| id.0 < 0);
    let positive = positive_after.map(|after| state.leases.iter_after(Some(after)).filter(is_positive));
    let negative = state.leases.iter_after(negative_after).take_while(|lease| lease.id.0 < 0);
    positive.into_iter().flatten().chain(negative)
}

/// etcd's `leasepb.Lease`.
fn lease_value(lease: &Lease) -> Vec<u8> {
    let mut value = Vec::new();
    value.put_varint_field(1, lease.id.0.cast_unsigned());
    value.put_varint_field(2, lease.granted_ttl_secs.cast_unsigned());
    value.put_varint_field(3, lease.remaining_ttl_secs.unwrap_or(0).cast_unsigned());
    value
}
