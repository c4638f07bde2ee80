//! Promises: a watch is ordered, unique, reliable, atomic, resumable and bookmarkable, and reports what happened.
//!
//! What a watcher must receive follows from the event log: the events from its start on, in its range, not filtered.
//! What it received is compared with that, event by event. Resuming needs no check of its own: a watcher that resumes
//! another starts at an old revision like any other, and must miss nothing either.
//!
//! Progress is a promise about what comes before it and about when it comes: a watcher that waits for a revision of
//! the future receives none, and one that asked for it receives it as long as nothing else happens.

use super::conversion;
use super::event_log::Revision;
use super::promise::Promise;
use super::reference_history::ReferenceHistory;
use crate::history::{Moment, Operation, Outcome, StreamLog};
use crate::watch_response::{WatchEvent, WatchResponse};
use detcd_engine::ids::WatchId;
use detcd_engine::request::Request;
use detcd_engine::watch::{WatchCreate, WatchInput, WatchRefusal};
use detcd_proptests::reference::KeyRange;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// One watcher and its position.
#[derive(Debug)]
struct Watcher {
    create: WatchCreate,
    keys: KeyRange,
    /// The first revision that it may still receive.
    next: i64,
    /// Of that revision, what was received already in fragments.
    received_of_next: usize,
    /// More of `next` must follow at once.
    is_torn: bool,
}

/// One stream, read from its beginning.
#[derive(Debug)]
struct Reader<'a> {
    reference: &'a ReferenceHistory,
    log: &'a StreamLog,
    /// The highest revision that any client had requested a compaction to, by when.
    compactions: &'a [(Moment, i64)],
    created: VecDeque<&'a WatchCreate>,
    watchers: BTreeMap<WatchId, Watcher>,
    /// Ended by compaction. They keep their ids until the client cancels them too.
    compacted_ids: BTreeSet<WatchId>,
}

/// Whether every stream received what it should have.
///
/// # Errors
/// The promise, and what breaks it.
pub fn check(
    streams: &[StreamLog],
    operations: &[Operation],
    reference: &ReferenceHistory,
) -> Result<(), String> {
    let compactions = compactions(operations);
    streams.iter().try_for_each(|log| Reader::new(log, reference, &compactions).read().map(|_| ()))
}

/// What an open stream did not receive yet; `None` where it received everything.
pub fn unreceived(log: &StreamLog, reference: &ReferenceHistory) -> Option<String> {
    let all = [(Moment { order: 0, at: std::time::Duration::ZERO }, i64::MAX)];
    // Its other faults are reported at the end.
    let watchers = Reader::new(log, reference, &all).read().ok()?;
    watchers.into_iter().find_map(|(id, watcher)| {
        let missing = watcher.expected(reference).next()?;
        Some(format!(
            "watcher {} of client {} at member {} did not receive {missing:?}",
            id.0, log.client, log.member
        ))
    })
}

/// A watcher of an open stream that asked for progress and received none since nothing happens any more; `None`
/// where all were. One that waits for a revision of the future gets no progress.
pub fn unreported(log: &StreamLog, since: Moment, reference: &ReferenceHistory) -> Option<String> {
    let all = [(Moment { order: 0, at: std::time::Duration::ZERO }, i64::MAX)];
    // Its other faults are reported at the end.
    let watchers = Reader::new(log, reference, &all).read().ok()?;
    let late = log.received.iter().rev().take_while(|(at, _)| *at > since);
    let reported: BTreeSet<WatchId> = late
        .filter_map(|(_, response)| match response {
            WatchResponse::Progress { id, .. } => Some(*id),
            _ => None,
        })
        .collect();
    let is_owed = |watcher: &Watcher| {
        watcher.create.progress_notify && watcher.create.start_revision <= reference.head()
    };
    let (id, _) = watchers.into_iter().find(|(id, watcher)| is_owed(watcher) && !reported.contains(id))?;
    Some(format!("watcher {} of client {} at member {} was not", id.0, log.client, log.member))
}

fn compactions(operations: &[Operation]) -> Vec<(Moment, i64)> {
    let asked = operations.iter().filter(|operation| operation.outcome != Outcome::NotDone);
    let mut highest = 0;
    asked
        .filter_map(|operation| {
            let Request::Compact(compact) = &operation.request else { return None };
            highest = highest.max(compact.revision);
            Some((operation.invoked, highest))
        })
        .collect()
}

impl Watcher {
    /// The revision that comes next and what of it is for this watcher, without end.
    fn expected<'a>(
        &'a self,
        reference: &'a ReferenceHistory,
    ) -> impl Iterator<Item = (i64, Vec<&'a WatchEvent>)> {
        reference.from(self.next).filter_map(|(revision, recorded)| {
            let wanted = self.wanted(recorded);
            (!wanted.is_empty()).then_some((revision, wanted))
        })
    }

    fn wanted<'a>(&self, recorded: &'a Revision) -> Vec<&'a WatchEvent> {
        let is_wanted = |event: &&WatchEvent| {
            let is_filtered = if event.is_delete { self.create.no_delete } else { self.create.no_put };
            !is_filtered && self.keys.contains(&event.kv.key)
        };
        recorded.events.iter().filter(is_wanted).collect()
    }
}

impl<'a> Reader<'a> {
    fn new(
        log: &'a StreamLog,
        reference: &'a ReferenceHistory,
        compactions: &'a [(Moment, i64)],
    ) -> Reader<'a> {
        let created = log.asked.iter().filter_map(|(_, ask)| match ask {
            WatchInput::Create(create) => Some(create),
            _ => None,
        });
        Reader {
            reference,
            log,
            compactions,
            created: created.collect(),
            watchers: BTreeMap::new(),
            compacted_ids: BTreeSet::new(),
        }
    }

    /// The watchers that remain at its end.
    fn read(mut self) -> Result<BTreeMap<WatchId, Watcher>, String> {
        let log = self.log;
        for (at, response) in &log.received {
            self.take(*at, response).map_err(|(promise, how)| {
                let (client, member) = (log.client, log.member);
                promise.broken(format!(
                    "a stream of client {client} at member {member} received {response:?}: {how}"
                ))
            })?;
        }
        Ok(self.watchers)
    }

    fn take(&mut self, at: Moment, response: &WatchResponse) -> Result<(), (Promise, String)> {
        if let Some(id) = torn(&self.watchers, response) {
            return Err((
                Promise::WatchAtomic,
                format!("the rest of a revision was due to watcher {}", id.0),
            ));
        }
        match response {
            WatchResponse::Created { id, revision } => self.create(*id, *revision),
            WatchResponse::Rejected { reason, .. } => self.reject(*reason),
            WatchResponse::Events { id, revision, events, fragment } => {
                if events.iter().any(|event| event.kv.mod_revision > *revision) {
                    return Err((Promise::WatchEvents, "the header is of an older revision".to_owned()));
                }
                self.events(at, *id, events, *fragment)
            }
            WatchResponse::Progress { id, revision } => self.progress(*id, *revision),
            WatchResponse::Canceled { id, .. } => self.cancel(*id),
            WatchResponse::Compacted { id, compact_revision } => self.compacted(at, *id, *compact_revision),
            WatchResponse::NoLeader => Ok(()),
        }
    }

    fn create(&mut self, id: WatchId, revision: i64) -> Result<(), (Promise, String)> {
        let Some(create) = self.created.pop_front() else {
            return Err((Promise::WatchEvents, "no client requested a watcher".to_owned()));
        };
        if create.id.is_some_and(|asked| asked != id) || self.is_taken(id) {
            return Err((Promise::WatchEvents, format!("asked was {create:?}")));
        }
        let next = if create.start_revision == 0 { revision + 1 } else { create.start_revision };
        let keys = conversion::key_range(&create.range);
        let watcher = Watcher { create: create.clone(), keys, next, received_of_next: 0, is_torn: false };
        self.watchers.insert(id, watcher);
        Ok(())
    }

    fn reject(&mut self, reason: WatchRefusal) -> Result<(), (Promise, String)> {
        let create = self.created.pop_front().cloned();
        let has_reason = create.as_ref().is_some_and(|create| match reason {
            WatchRefusal::EmptyRange => create.range.is_empty(),
            WatchRefusal::DuplicateId => create.id.is_some_and(|id| self.is_taken(id)),
            WatchRefusal::Compacted => create.start_revision < 0,
            // Auth is never turned on here.
            WatchRefusal::InvalidAuthToken
            | WatchRefusal::AuthOldRevision
            | WatchRefusal::UserEmpty
            | WatchRefusal::PermissionDenied => false,
        });
        let how = || (Promise::WatchCancels, format!("{reason:?} is no reason against {create:?}"));
        if has_reason { Ok(()) } else { Err(how()) }
    }

    fn events(
        &mut self,
        at: Moment,
        id: WatchId,
        events: &[WatchEvent],
        fragment: bool,
    ) -> Result<(), (Promise, String)> {
        let (reference, compacted) = (self.reference, self.compacted_by(at));
        let watcher = self.watchers.get_mut(&id).ok_or_else(|| gone(id))?;
        for event in events {
            receive(watcher, event, reference, compacted)?;
        }
        let last = events.last().map_or(0, |event| event.kv.mod_revision);
        let (revision, left) =
            watcher.expected(reference).next().map_or((0, 0), |(at, left)| (at, left.len()));
        // Between two events of a revision only one who takes fragments is left, and only until the next response.
        let is_torn = revision == last && left > watcher.received_of_next && watcher.received_of_next > 0;
        if is_torn && !(watcher.create.fragment && fragment) {
            return Err((Promise::WatchAtomic, format!("revision {revision} goes on")));
        }
        if !is_torn && !fragment && last > 0 {
            (watcher.next, watcher.received_of_next) = (last + 1, 0);
        }
        watcher.is_torn = fragment;
        Ok(())
    }

    fn progress(&mut self, id: WatchId, revision: i64) -> Result<(), (Promise, String)> {
        let spoken_of: Vec<WatchId> = match id {
            WatchId(-1) => self.watchers.keys().copied().collect(),
            id => vec![id],
        };
        for id in spoken_of {
            let reference = self.reference;
            let watcher = self.watchers.get_mut(&id).ok_or_else(|| gone(id))?;
            if let Some((missing, _)) = watcher.expected(reference).next().filter(|(at, _)| *at <= revision) {
                return Err((Promise::WatchBookmarks, format!("watcher {} did not receive {missing}", id.0)));
            }
            let start = watcher.create.start_revision;
            if revision < start {
                let how = format!("watcher {} begins at {start} only", id.0);
                return Err((Promise::WatchBookmarks, how));
            }
            // Nothing up to here may follow.
            if watcher.next <= revision {
                (watcher.next, watcher.received_of_next) = (revision + 1, 0);
            }
        }
        Ok(())
    }

    fn cancel(&mut self, id: WatchId) -> Result<(), (Promise, String)> {
        let is_asked = self.log.asked.iter().any(|(_, ask)| *ask == WatchInput::Cancel(id));
        let was_there = self.watchers.remove(&id).is_some() | self.compacted_ids.remove(&id);
        let how = || (Promise::WatchCancels, "no client requested that".to_owned());
        if was_there && is_asked { Ok(()) } else { Err(how()) }
    }

    fn is_taken(&self, id: WatchId) -> bool {
        self.watchers.contains_key(&id) || self.compacted_ids.contains(&id)
    }

    fn compacted(&mut self, at: Moment, id: WatchId, revision: i64) -> Result<(), (Promise, String)> {
        let asked = self.compacted_by(at);
        let watcher = self.watchers.remove(&id).ok_or_else(|| gone(id))?;
        self.compacted_ids.insert(id);
        if watcher.next < revision && revision <= asked {
            return Ok(());
        }
        let next = watcher.next;
        Err((
            Promise::WatchCancels,
            format!(
                "it was to go on at {next}, and no client had requested a compaction to more than {asked}"
            ),
        ))
    }

    /// The highest revision that any client had requested a compaction to.
    fn compacted_by(&self, at: Moment) -> i64 {
        let until = self.compactions.partition_point(|(asked, _)| *asked < at);
        self.compactions[..until].last().map_or(0, |(_, revision)| *revision)
    }
}

/// A watcher that is owed the rest of a revision, and receives something else.
fn torn(watchers: &BTreeMap<WatchId, Watcher>, response: &WatchResponse) -> Option<WatchId> {
    let (WatchResponse::Progress { id, .. }
    | WatchResponse::Canceled { id, .. }
    | WatchResponse::Compacted { id, .. }) = response
    else {
        return None;
    };
    let is_torn = matches!(response, WatchResponse::Progress { .. })
        && watchers.get(id).is_some_and(|watcher| watcher.is_torn);
    is_torn.then_some(*id)
}

fn gone(id: WatchId) -> (Promise, String) {
    (Promise::WatchCancels, format!("there is no watcher {}", id.0))
}

/// One event, against what is due.
fn receive(
    watcher: &mut Watcher,
    event: &WatchEvent,
    reference: &ReferenceHistory,
    compacted: i64,
) -> Result<(), (Promise, String)> {
    let at = event.kv.mod_revision;
    if at < watcher.next {
        let promise =
            if at < watcher.create.start_revision { Promise::WatchOrdered } else { Promise::WatchUnique };
        return Err((promise, format!("it was to go on at revision {}", watcher.next)));
    }
    // What is left of a revision comes before the next.
    if at > watcher.next {
        let skipped = watcher.expected(reference).next().filter(|(revision, _)| *revision < at);
        if let Some((revision, wanted)) = skipped
            && !(revision == watcher.next && watcher.received_of_next == wanted.len())
        {
            let promise =
                if watcher.received_of_next > 0 { Promise::WatchAtomic } else { Promise::WatchReliable };
            return Err((
                promise,
                format!("{:?} was left out", &wanted[watcher.received_of_next.min(wanted.len() - 1)..]),
            ));
        }
        (watcher.next, watcher.received_of_next) = (at, 0);
    }
    let due = reference
        .from(at)
        .next()
        .filter(|(revision, _)| *revision == at)
        .map(|(_, recorded)| watcher.wanted(recorded));
    let due = due.unwrap_or_default();
    let Some(right) = due.get(watcher.received_of_next) else {
        let keys: BTreeSet<_> = due.iter().map(|event| &event.kv.key).collect();
        let promise = if keys.contains(&event.kv.key) { Promise::WatchUnique } else { Promise::WatchEvents };
        return Err((promise, format!("of revision {at} it is owed {due:?}")));
    };
    if right.kv != event.kv || right.is_delete != event.is_delete {
        return Err((Promise::WatchEvents, format!("it was {right:?}")));
    }
    // A transaction may delete a key and put it anew: nothing is before a key that is new.
    let is_new = !event.is_delete && event.kv.create_revision == at;
    let before = reference.get(&event.kv.key, at - 1).filter(|_| !is_new);
    let is_right = match &event.prev {
        Some(prev) => watcher.create.prev_kv && Some(prev) == before,
        None => !watcher.create.prev_kv || before.is_none() || compacted >= at,
    };
    if !is_right {
        return Err((Promise::WatchEvents, format!("before that the key was {before:?}")));
    }
    watcher.received_of_next += 1;
    Ok(())
}

#[cfg(test)]
mod tests;
