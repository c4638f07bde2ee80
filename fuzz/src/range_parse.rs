//! Range requests from a client: refused with a reason, or answered as a look through every key says.

use crate::draw::Draw;
use crate::split;
use bytes::Bytes;
use detcd::pb;
use detcd::wire::kv;
use detcd_engine::key_range::KeyRange;
use detcd_engine::mvcc::{RecordRef, Store};
use detcd_engine::request::{LeaseId, RangeRequest, RangeResponse, SortOrder, SortTarget};
use prost::Message;
use std::sync::OnceLock;

/// A request as it is; or a store and requests to it, each through its bytes.
pub fn run(input: &[u8]) {
    let (as_it_is, body) = split(input);
    if as_it_is {
        if let Ok(request) = pb::RangeRequest::decode(Bytes::copy_from_slice(body)) {
            ask(ready_store(), request);
        }
        return;
    }
    let mut draw = Draw::new(body);
    let mut store = Store::new();
    for _ in 0..draw.below(24) {
        change(&mut store, &mut draw);
    }
    assert_eq!(store.hash(), store.hash_from_scratch(), "the store's hash");
    for _ in 0..16 {
        let request = draw.range_request(store.revision());
        let bytes = request.encode_to_vec();
        let decoded = pb::RangeRequest::decode(Bytes::from(bytes)).expect("encoded just now");
        assert_eq!(decoded, request, "a request survives its bytes");
        ask(&store, decoded);
        if draw.is_empty() {
            break;
        }
    }
}

fn change(store: &mut Store, draw: &mut Draw<'_>) {
    let revision = store.revision();
    match draw.below(8) {
        0 => {
            let range = KeyRange::parse(draw.key(), draw.range_end());
            store.write().delete_range(&range);
        }
        1 => {
            let at = draw.near(revision);
            let is_possible = at > store.compacted_revision() && at <= revision;
            assert_eq!(store.compact(at).is_ok(), is_possible, "compacting {revision} at {at}");
        }
        2 => {
            store.compact_slice(draw.below(8));
        }
        _ => {
            let mut write = store.write();
            for _ in 0..=draw.below(3) {
                let (key, value) = (draw.key(), draw.value());
                write.put(&key, &value, LeaseId(revision % 3));
            }
        }
    }
}

fn ready_store() -> &'static Store {
    static STORE: OnceLock<Store> = OnceLock::new();
    STORE.get_or_init(|| {
        let mut store = Store::new();
        for at in 0..60_u8 {
            let key = [b'a' + at % 5, b'a' + at % 3];
            store.write().put(&key[..usize::from(at % 2) + 1], &[at], LeaseId(i64::from(at % 3)));
        }
        store.write().delete_range(&KeyRange::One(Bytes::from_static(b"b")));
        store.compact(20).expect("20 of 62");
        store
    })
}

/// The answer, against every key that there is at that revision.
fn ask(store: &Store, request: pb::RangeRequest) {
    let Ok(parsed) = kv::range_request(request.clone()) else {
        let known = (0..=2).contains(&request.sort_order) && (0..=4).contains(&request.sort_target);
        assert!(request.key.is_empty() || !known, "refused without a reason: {request:?}");
        return;
    };
    let (revision, compacted) = (store.revision(), store.compacted_revision());
    let is_readable = parsed.revision <= revision && (parsed.revision <= 0 || parsed.revision >= compacted);
    let answer = store.range(&parsed);
    assert_eq!(answer.is_ok(), is_readable, "{parsed:?} at {revision}, compacted at {compacted}");
    let Ok(found) = answer else { return };
    let at = if parsed.revision <= 0 { revision } else { parsed.revision };
    let expected = expected(store, &parsed, at, &found);
    let response = kv::range_response(None, found);
    let decoded = pb::RangeResponse::decode(Bytes::from(response.encode_to_vec()));
    assert_eq!(decoded, Ok(response.clone()), "an answer survives its bytes");
    let on_wire: Vec<_> = expected.iter().map(|record| fields(&parsed, record)).collect();
    let told: Vec<_> = response
        .kvs
        .iter()
        .map(|kv| (kv.key(), kv.value(), kv.create_revision(), kv.mod_revision(), kv.version(), kv.lease()))
        .collect();
    assert_eq!(told, on_wire, "{parsed:?}");
}

type Fields<'a> = (&'a [u8], &'a [u8], i64, i64, i64, i64);

/// A key as the client is told of it: where it asks for keys only, without a value; and without a lease, unless a sort
/// by value made etcd look at more than its index of keys.
fn fields<'a>(request: &RangeRequest, record: &'a RecordRef) -> Fields<'a> {
    let value = if request.keys_only { &[] } else { record.value() };
    let has_lease = !request.keys_only || request.target == SortTarget::Value;
    let lease = if has_lease { record.lease().0 } else { 0 };
    (record.key(), value, record.create_revision(), record.mod_revision(), record.version(), lease)
}

/// The keys of the answer, which may have lost their values on the way; its counts are held against them here.
fn expected(store: &Store, request: &RangeRequest, at: i64, found: &RangeResponse) -> Vec<RecordRef> {
    let all = RangeRequest::of(KeyRange::From(Bytes::from_static(b"\0")));
    let keys = RangeRequest { revision: at, ..all };
    let mut expected = store.range(&keys).expect("that revision is readable").kvs;
    expected.retain(|record| request.range.contains(record.key()));
    for record in &expected {
        assert_eq!(store.get_at(record.key(), at).as_ref(), Some(record), "one key and all keys agree");
    }
    assert_eq!(found.count, expected.len() as u64, "the count of {request:?}");
    expected.retain(|record| passes(request, record));
    let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
    let limit = if limit == 0 { usize::MAX } else { limit };
    let is_more = !request.count_only && expected.len() > limit && !matches!(request.range, KeyRange::One(_));
    assert_eq!(found.more, is_more, "whether there is more of {request:?}");
    let has_bounds = [
        request.min_mod_revision,
        request.max_mod_revision,
        request.min_create_revision,
        request.max_create_revision,
    ];
    if request.order == SortOrder::None && has_bounds == [0; 4] {
        // etcd fetches one more than the limit, in the order of keys, and only then sorts.
        expected.truncate(limit.saturating_add(1));
    }
    sort(request, &mut expected);
    expected.truncate(limit);
    if request.count_only {
        expected.clear();
    }
    expected
}

fn passes(request: &RangeRequest, record: &RecordRef) -> bool {
    let (changed, created) = (record.mod_revision(), record.create_revision());
    let at_least = |bound: i64, value: i64| bound == 0 || value >= bound;
    let at_most = |bound: i64, value: i64| bound == 0 || value <= bound;
    at_least(request.min_mod_revision, changed)
        && at_most(request.max_mod_revision, changed)
        && at_least(request.min_create_revision, created)
        && at_most(request.max_create_revision, created)
}

fn sort(request: &RangeRequest, records: &mut [RecordRef]) {
    records.sort_by(|left, right| {
        let ascending = match request.target {
            SortTarget::Key => left.key().cmp(right.key()),
            SortTarget::Version => left.version().cmp(&right.version()),
            SortTarget::Create => left.create_revision().cmp(&right.create_revision()),
            SortTarget::Mod => left.mod_revision().cmp(&right.mod_revision()),
            SortTarget::Value => left.value().cmp(right.value()),
        };
        if request.order == SortOrder::Descend { ascending.reverse() } else { ascending }
    });
}
