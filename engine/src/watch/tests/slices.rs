//! Histories and windows larger than what is looked at in one go.

use crate::ids::{LeaseId, StreamId};
use crate::key_range::KeyRange;
use crate::mvcc::{RecordRef, Store};
use crate::time::Time;
use crate::watch::WatchEffects;
use crate::watch::hub::WINDOW_RECORDS_MAX;
use crate::watch::{Hub, WatchResponse};
use crate::watch::{WatchCreate, WatchInput};
use bytes::Bytes;
use std::collections::BTreeMap;

const STREAM: StreamId = StreamId(1);
/// One revision of more changes than a window or a slice has.
const LARGE: usize = WINDOW_RECORDS_MAX + 500;

fn write(store: &mut Store, keys: impl Iterator<Item = usize>) -> Vec<RecordRef> {
    let mut write = store.write();
    for key in keys {
        write.put(format!("k{key:04}").as_bytes(), b"value", LeaseId(0));
    }
    write.finish()
}

fn watch_from(start_revision: i64) -> WatchInput {
    let (range, id) = (KeyRange::From(Bytes::from_static(b"k")), None);
    let (progress_notify, no_put, no_delete, prev_kv, fragment) = (false, false, false, false, false);
    WatchInput::Create(WatchCreate {
        id,
        range,
        start_revision,
        progress_notify,
        no_put,
        no_delete,
        prev_kv,
        fragment,
    })
}

/// Pumps once and takes everything in; collects the positions each watcher was sent, a response at a time.
fn pump(hub: &mut Hub, store: &Store, sent: &mut BTreeMap<i64, Vec<(i64, u32)>>) -> bool {
    let mut out = WatchEffects::default();
    let has_more = hub.pump(Time::ZERO, store, &mut out);
    for (_, response) in &out.responses {
        if let WatchResponse::Events { id, events, .. } = response {
            let events = events.of(&out.batches);
            sent.entry(id.0).or_default().extend(events.iter().map(|event| event.record.position()));
            let last = events.last().unwrap().record.mod_revision();
            let all = store.history_from(last).take_while(|record| record.mod_revision() == last).count();
            let is_last = |position: &(i64, u32)| *position == (last, all as u32 - 1);
            assert!(sent[&id.0].last().is_some_and(is_last), "a response ends inside revision {last}");
        }
        let bytes = response.size_bytes(&out.batches);
        hub.handle(Time::ZERO, STREAM, WatchInput::Drained { bytes }, store);
    }
    has_more
}

fn wanted(store: &Store, from: i64) -> Vec<(i64, u32)> {
    store.history_from(from).map(RecordRef::position).collect()
}

#[test]
fn long_history_is_read_in_slices_of_whole_revisions() {
    let mut store = Store::new();
    for revision in 0..6 * WINDOW_RECORDS_MAX {
        write(&mut store, [revision % 7].into_iter());
        if revision % (2 * WINDOW_RECORDS_MAX) == 990 {
            write(&mut store, 0..LARGE);
        }
    }
    let mut hub = Hub::new(1 << 20, 1_000, 1);
    let starts = [1, 2, 980, 992, 993, 3_500, store.revision()];
    hub.handle(Time::ZERO, STREAM, WatchInput::Open { require_leader: false }, &store);
    starts.iter().for_each(|start| hub.handle(Time::ZERO, STREAM, watch_from(*start), &store));
    let mut sent = BTreeMap::new();
    let mut pumps = 1;
    while pump(&mut hub, &store, &mut sent) {
        pumps += 1;
    }
    assert!(pumps > 1, "history was read at once");
    for (id, start) in (0..).zip(starts) {
        assert_eq!(sent[&id], wanted(&store, start), "from {start}");
    }
}

#[test]
fn long_window_is_fanned_out_before_it_is_pumped() {
    let mut store = Store::new();
    let mut hub = Hub::new(1 << 20, 1_000, 1);
    hub.handle(Time::ZERO, STREAM, WatchInput::Open { require_leader: false }, &store);
    hub.handle(Time::ZERO, STREAM, watch_from(0), &store);
    for revision in 0..3 * WINDOW_RECORDS_MAX {
        let keys = if revision == WINDOW_RECORDS_MAX / 2 { 0..LARGE } else { 0..1 };
        let changes = write(&mut store, keys);
        hub.publish(&changes, &store);
    }
    let mut sent = BTreeMap::new();
    assert!(!pump(&mut hub, &store, &mut sent), "a synced watcher with room never lags");
    assert_eq!(sent[&0], wanted(&store, 2));
}
