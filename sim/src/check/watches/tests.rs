use super::*;
use crate::check::fixtures::{self, event, fresh, key_value, moment};
use crate::history::KeyValue;
use crate::workload::keys::everything;

const ID: WatchId = WatchId(0);

/// k is put, put again beside l, and deleted.
fn reference_history() -> ReferenceHistory {
    let second = vec![event(key_value("k", "b", (2, 3), 2)), event(fresh("l", "x", 3))];
    fixtures::reference_history(vec![
        vec![event(fresh("k", "a", 2))],
        second,
        vec![event(key_value("k", "", (0, 4), 0))],
    ])
}

fn create() -> WatchCreate {
    WatchCreate {
        id: None,
        range: everything(),
        start_revision: 2,
        progress_notify: false,
        no_put: false,
        no_delete: false,
        prev_kv: false,
        fragment: false,
    }
}

/// The events of these revisions, in one response.
fn events(revisions: &[i64]) -> WatchResponse {
    let reference = reference_history();
    let events = revisions.iter().flat_map(|revision| reference.events(*revision).to_vec()).collect();
    WatchResponse::Events { id: ID, revision: 4, events, fragment: false }
}

fn one(revision: i64, place: usize, fragment: bool) -> WatchResponse {
    let events = vec![reference_history().events(revision)[place].clone()];
    WatchResponse::Events { id: ID, revision: 4, events, fragment }
}

fn log(create: WatchCreate, responses: Vec<WatchResponse>) -> StreamLog {
    let created = WatchResponse::Created { id: ID, revision: 1 };
    let responses = [vec![created], responses]
        .concat()
        .into_iter()
        .zip(1..)
        .map(|(response, order)| (moment(order), response));
    let asked = vec![(moment(0), WatchInput::Create(create))];
    StreamLog { client: 0, member: 0, asked, received: responses.collect(), is_open: true }
}

fn broken_by(create: WatchCreate, responses: Vec<WatchResponse>) -> Option<Promise> {
    check(&[log(create, responses)], &[], &reference_history()).err().map(|text| Promise::of(&text).unwrap())
}

fn broken(responses: Vec<WatchResponse>) -> Option<Promise> {
    broken_by(create(), responses)
}

#[test]
fn what_is_right_is_believed() {
    assert_eq!(broken(vec![events(&[2, 3, 4])]), None);
    assert_eq!(
        broken(vec![events(&[2]), WatchResponse::Progress { id: ID, revision: 2 }, events(&[3, 4])]),
        None
    );
    let fragments = WatchCreate { fragment: true, ..create() };
    assert_eq!(
        broken_by(fragments, vec![events(&[2]), one(3, 0, true), one(3, 1, false), events(&[4])]),
        None
    );
    let puts = WatchCreate { no_delete: true, start_revision: 3, ..create() };
    assert_eq!(broken_by(puts, vec![events(&[3]), WatchResponse::Progress { id: ID, revision: 4 }]), None);
    let now = WatchCreate { start_revision: 0, ..create() };
    assert_eq!(broken_by(now, vec![events(&[2, 3])]), None);
}

#[test]
fn each_guarantee_is_found_broken() {
    for (responses, promise) in [
        (vec![events(&[3]), events(&[2])], Promise::WatchReliable),
        (vec![events(&[2]), events(&[2])], Promise::WatchUnique),
        (vec![events(&[2]), events(&[4])], Promise::WatchReliable),
        (vec![events(&[2]), one(3, 0, false)], Promise::WatchAtomic),
        (vec![events(&[2]), one(3, 0, true), one(3, 1, false)], Promise::WatchAtomic),
        (vec![events(&[2]), WatchResponse::Progress { id: ID, revision: 3 }], Promise::WatchBookmarks),
        (
            vec![events(&[2]), WatchResponse::Progress { id: WatchId(-1), revision: 4 }],
            Promise::WatchBookmarks,
        ),
        (vec![WatchResponse::Canceled { id: ID, revision: 4 }], Promise::WatchCancels),
        (vec![WatchResponse::Compacted { id: ID, compact_revision: 3 }], Promise::WatchCancels),
        (
            vec![WatchResponse::Rejected { revision: 1, reason: WatchRefusal::EmptyRange }],
            Promise::WatchCancels,
        ),
    ] {
        assert_eq!(broken(responses.clone()), Some(promise), "{responses:?}");
    }
    let later = WatchCreate { start_revision: 3, ..create() };
    assert_eq!(broken_by(later, vec![events(&[2])]), Some(Promise::WatchOrdered));
    let future = WatchCreate { start_revision: 9, ..create() };
    let progress = |id| vec![WatchResponse::Progress { id, revision: 8 }];
    assert_eq!(broken_by(future.clone(), progress(ID)), Some(Promise::WatchBookmarks), "before its start");
    assert_eq!(broken_by(future, progress(WatchId(-1))), Some(Promise::WatchBookmarks));
    let puts = WatchCreate { no_delete: true, ..create() };
    assert_eq!(broken_by(puts, vec![events(&[2, 3, 4])]), Some(Promise::WatchEvents), "filtered");
}

#[test]
fn an_event_tells_what_happened() {
    let changed = |change: fn(&mut WatchEvent), prev_kv: bool| {
        let mut event = reference_history().events(4)[0].clone();
        event.prev = prev_kv.then(|| key_value("k", "b", (2, 3), 2));
        change(&mut event);
        let last = WatchResponse::Events { id: ID, revision: 4, events: vec![event], fragment: false };
        broken_by(WatchCreate { prev_kv, start_revision: 4, ..create() }, vec![last])
    };
    assert_eq!((changed(|_| {}, true), changed(|_| {}, false)), (None, None));
    let is_wrong = Some(Promise::WatchEvents);
    assert_eq!(changed(|event| event.prev = None, true), is_wrong, "nothing was compacted");
    assert_eq!(changed(|event| event.prev = Some(fresh("k", "a", 2)), true), is_wrong);
    assert_eq!(changed(|event| event.is_delete = false, true), is_wrong);
    assert_eq!(changed(|event| event.kv = KeyValue { version: 1, ..event.kv.clone() }, true), is_wrong);
}

#[test]
fn compaction_cancels_who_was_overtaken() {
    use detcd_engine::request::{CompactRequest, Response};
    let compact = Request::Compact(CompactRequest { revision: 3, physical: false });
    let compacted = [fixtures::done((1, 2), compact, 4, Response::Compact)];
    let is_allowed = |start_revision, compact_revision| {
        let mut log = log(
            WatchCreate { start_revision, ..create() },
            vec![WatchResponse::Compacted { id: ID, compact_revision }],
        );
        log.received[1].0 = moment(9);
        check(&[log], &compacted, &reference_history()).is_ok()
    };
    assert!(is_allowed(2, 3));
    assert!(!is_allowed(3, 3), "it was not overtaken");
    assert!(!is_allowed(2, 4), "nobody asked for that");
}

#[test]
fn who_does_not_receive_everything_is_found() {
    assert_eq!(unreceived(&log(create(), vec![events(&[2, 3, 4])]), &reference_history()), None);
    let found = unreceived(&log(create(), vec![events(&[2, 3])]), &reference_history());
    assert!(found.is_some_and(|text| text.contains("did not receive (4")));
}

#[test]
fn who_receives_no_progress_while_nothing_happens_is_found() {
    let asks = WatchCreate { progress_notify: true, ..create() };
    let is_owed = |create: &WatchCreate, responses: Vec<WatchResponse>| {
        // The events are the second of its responses.
        unreported(&log(create.clone(), responses), moment(2), &reference_history()).is_some()
    };
    let progress = |id| WatchResponse::Progress { id, revision: 4 };
    assert!(is_owed(&asks, vec![events(&[2, 3, 4])]));
    assert!(is_owed(&asks, vec![events(&[2, 3, 4]), progress(WatchId(-1))]), "somebody asked for that");
    assert!(!is_owed(&asks, vec![events(&[2, 3, 4]), progress(ID)]));
    assert!(!is_owed(&create(), vec![events(&[2, 3, 4])]));
    assert!(!is_owed(&WatchCreate { start_revision: 5, ..asks.clone() }, Vec::new()), "its time is to come");
}
