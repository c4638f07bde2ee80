use super::*;
use crate::wire::kv::{range_response, range_stream_request};
use bytes::Bytes;
use detcd_engine::key_range::KeyRange;
use detcd_engine::mvcc::{Store, View};
use detcd_engine::random::Random;
use detcd_engine::request::{LeaseId, RangeRequest};
use prost::Message;

const HEADER: Option<pb::ResponseHeader> =
    Some(pb::ResponseHeader { cluster_id: 1, member_id: 2, revision: 3, raft_term: 4 });
const KEYS: u64 = 80;
/// With it a full range takes about ten chunks, and a value may take one alone.
const VALUE_BYTES_MAX: u64 = 300_000;

fn key(number: u64) -> Bytes {
    format!("{number:03}").into()
}

/// Keys with values of many sizes, some of them gone, with history and a compaction.
fn store(random: &mut Random) -> Store {
    let mut store = Store::new();
    for _ in 0..KEYS * 3 {
        let mut write = store.write();
        let key = key(random.below(KEYS));
        if random.below(4) == 0 {
            write.delete_range(&KeyRange::One(key));
        } else {
            let length = if random.below(2) == 0 { 10 } else { random.below(VALUE_BYTES_MAX) };
            let value = vec![b'v'; usize::try_from(length).unwrap()];
            write.put(&key, &value, LeaseId(i64::try_from(random.below(3)).unwrap()));
        }
        write.finish();
    }
    store.compact(store.revision() / 2).unwrap();
    store
}

fn request(random: &mut Random, view: &View) -> RangeRequest {
    let revisions = u64::try_from(view.revision()).unwrap() + 3;
    let mut below = |bound: u64| random.below(bound);
    let range_end = match below(4) {
        0 => Bytes::new(),
        1 => Bytes::from_static(b"\0"),
        _ => key(below(KEYS)),
    };
    let asked = pb::RangeRequest {
        key: key(below(KEYS)),
        range_end,
        limit: i64::try_from(below(2) * below(KEYS)).unwrap(),
        revision: i64::try_from(below(2) * below(revisions)).unwrap(),
        sort_order: i32::try_from(below(2)).unwrap(),
        sort_target: if below(4) == 0 { i32::try_from(below(5)).unwrap() } else { 0 },
        keys_only: below(4) == 0,
        count_only: below(8) == 0,
        ..Default::default()
    };
    range_stream_request(asked).unwrap_or_else(|_| RangeRequest::of(KeyRange::From(key(0))))
}

/// Chunks as a client merges them, and how many they are.
fn merged(mut chunks: RangeChunks) -> (pb::RangeResponse, usize) {
    let (mut merged, mut count) = (pb::RangeResponse::default(), 0);
    while let Some(chunk) = chunks.next_chunk() {
        let chunk = chunk.range_response.unwrap();
        let (encoded, largest) = (chunk.encode_to_vec(), VALUE_BYTES_MAX as usize + 1000);
        assert!(encoded.len() < RangeChunks::CHUNK_BYTES + largest, "a chunk of {} bytes", encoded.len());
        assert!(merged.header.is_none(), "a chunk behind the last");
        assert!(chunk.header.is_some() || !chunk.kvs.is_empty(), "a chunk of nothing");
        assert!(chunk.header.is_some() || (!chunk.more && chunk.count == 0), "only the last has these");
        merged.merge(encoded.as_slice()).unwrap();
        count += 1;
    }
    (merged, count)
}

#[test]
fn merged_chunks_are_the_answer_to_the_range() {
    let mut random = Random::new(7);
    let mut chunks_max = 0;
    for _ in 0..5 {
        let view = store(&mut random).view();
        for _ in 0..100 {
            let request = request(&mut random, &view);
            let Ok(found) = view.range(&request) else {
                assert!(view.scan(&request).is_err(), "{request:?}");
                continue;
            };
            let whole = range_response(HEADER, found.clone());
            let (of_found, chunks) = merged(RangeChunks::of_found(HEADER, found));
            assert!(of_found == whole, "{request:?}");
            chunks_max = chunks_max.max(chunks);
            if let Some(scan) = view.scan(&request).unwrap() {
                let (of_scan, of_chunks) = merged(RangeChunks::of_scan(HEADER, scan));
                assert!(of_scan == whole, "{request:?}");
                assert_eq!(of_chunks, chunks);
            }
        }
    }
    assert!(chunks_max > 5, "no answer took more than {chunks_max} chunks");
}
