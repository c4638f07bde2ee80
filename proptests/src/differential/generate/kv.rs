//! Range, Put and DeleteRange.

use super::Generate;
use bytes::Bytes;
use detcd::pb;

impl Generate {
    pub(super) fn put(&mut self) {
        let put = self.put_request();
        self.call("Put", &put);
    }

    pub(super) fn delete(&mut self) {
        let delete = self.delete_request();
        self.call("DeleteRange", &delete);
    }

    pub(super) fn put_request(&mut self) -> pb::PutRequest {
        let ignore_value = self.one_in(9);
        let ignore_lease = self.one_in(9);
        pb::PutRequest {
            key: self.key(),
            value: if ignore_value && !self.one_in(10) { Bytes::new() } else { self.value() },
            lease: if ignore_lease && !self.one_in(10) { 0 } else { self.lease_of_put() },
            prev_kv: self.one_in(3),
            ignore_value,
            ignore_lease,
        }
    }

    pub(super) fn delete_request(&mut self) -> pb::DeleteRangeRequest {
        let key = self.key();
        // Seldom a range without an end: something has to be there for the others.
        let range_end = match self.random.below(20) {
            0 => Bytes::from_static(b"\0"),
            1..6 => self.range_end(&key),
            _ => Bytes::new(),
        };
        pb::DeleteRangeRequest { key, range_end, prev_kv: self.one_in(2) }
    }

    pub(super) fn range_request(&mut self) -> pb::RangeRequest {
        let key = if self.one_in(4) { Bytes::from_static(b"\0") } else { self.key() };
        let range_end = self.range_end(&key);
        let (order, target) = if self.one_in(2) { (0, 0) } else { (self.below(3), self.below(5)) };
        let odd = |generate: &mut Generate, usual: i64| {
            let odd = if generate.one_in(80) { *generate.pick(&[-1, 5, 3, 77]) } else { usual };
            i32::try_from(odd).expect("a small number")
        };
        pb::RangeRequest {
            range_end,
            key,
            limit: self.limit(),
            revision: self.revision(),
            sort_order: odd(self, order),
            sort_target: odd(self, target),
            serializable: self.one_in(3),
            keys_only: self.one_in(5),
            count_only: self.one_in(10),
            min_mod_revision: self.bound(),
            max_mod_revision: self.bound(),
            min_create_revision: self.bound(),
            max_create_revision: self.bound(),
        }
    }

    pub(super) fn all_keys(&self, revision: i64) -> pb::RangeRequest {
        let zero = Bytes::from_static(b"\0");
        pb::RangeRequest { key: zero.clone(), range_end: zero, revision, ..pb::RangeRequest::default() }
    }
}
