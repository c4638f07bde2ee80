//! Watches: every option, ids that clash, starts before, at and after every edge, cancels, progress.
//!
//! Streams 0 to 2 have watches that start in the past or now; stream 3 those that start in the future, which keep
//! progress from being told.

use super::Generate;
use crate::script::Step;
use crate::symbols::{COMPACTED, NOW};
use crate::watching;
use detcd::pb;
use pb::watch_request::RequestUnion;

/// The stream for watches that start in the future.
const FUTURE: u8 = 3;
/// A stream with so many watches is left.
const WATCHES_MAX: usize = 8;

/// How many watches were asked for, by stream.
#[derive(Default)]
pub(super) struct Watches {
    created: [usize; 4],
}

impl Watches {
    /// The servers were restarted: their streams are gone.
    pub(super) fn forget(&mut self) {
        self.created = [0; 4];
    }
}

impl Generate {
    pub(super) fn watch(&mut self) {
        let stream = u8::try_from(self.random.below(4)).expect("below 4");
        let created = self.watches.created[usize::from(stream)];
        if created > WATCHES_MAX {
            self.watches.created[usize::from(stream)] = 0;
            return self.steps.push(Step::CloseWatch(stream));
        }
        if self.one_in(40) {
            let nothing = pb::WatchRequest { request_union: None };
            return self.steps.push(Step::Watch(stream, watching::watch().request(&nothing)));
        }
        let request_union = match self.random.below(10) {
            0..2 if created > 0 => {
                RequestUnion::CancelRequest(pb::WatchCancelRequest { watch_id: self.watch_id() })
            }
            2 if created > 0 => RequestUnion::ProgressRequest(pb::WatchProgressRequest {}),
            _ => {
                self.watches.created[usize::from(stream)] += 1;
                RequestUnion::CreateRequest(self.create_request(stream == FUTURE))
            }
        };
        let request = pb::WatchRequest { request_union: Some(request_union) };
        self.steps.push(Step::Watch(stream, watching::watch().request(&request)));
    }

    fn create_request(&mut self, in_future: bool) -> pb::WatchCreateRequest {
        let key = self.key();
        let range_end = if self.one_in(3) { self.range_end(&key) } else { vec![0].into() };
        let start_revision = match (in_future, self.random.below(12)) {
            (true, _) => NOW + 1 + self.below(30),
            (false, 0) => COMPACTED - self.below(2),
            (false, 1) => COMPACTED + self.below(3),
            (false, 2..6) => NOW - self.below(40),
            (false, 6) => NOW,
            (false, 7) => *self.pick(&[-1, i64::MIN, 1, 2]),
            (false, _) => 0,
        };
        let filters: [&[i32]; 8] = [&[], &[], &[], &[0], &[1], &[0, 1], &[7], &[1, 1]];
        let filters = *self.pick(&filters);
        pb::WatchCreateRequest {
            key,
            range_end,
            start_revision,
            progress_notify: self.one_in(4),
            filters: filters.to_vec(),
            prev_kv: self.one_in(2),
            watch_id: if self.one_in(3) { self.watch_id() } else { 0 },
            fragment: self.one_in(4),
        }
    }

    fn watch_id(&mut self) -> i64 {
        if self.one_in(15) { *self.pick(&[-1, -2, i64::MIN, i64::MAX, 900]) } else { self.below(6) }
    }
}
