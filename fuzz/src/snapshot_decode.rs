//! Snapshots from a disk or a peer: any bytes are refused, or are a state that a member can live with.

use crate::cluster::Cluster;
use crate::draw::Draw;
use crate::split;
use crate::txn_parse::ready_member;
use bytes::Bytes;
use detcd_engine::ids::MemberId;
use detcd_engine::key_range::KeyRange;
use detcd_engine::memory_member::{CLUSTER, check_state, meta_of, read_snapshot, write_snapshot};
use detcd_engine::raft::SnapshotMeta;
use detcd_engine::request::{
    LeaseGrantRequest, LeaseId, PutLease, PutRequest, PutValue, RangeRequest, Request, Response,
};
use detcd_engine::state::State;
use std::sync::OnceLock;

/// Magic number and format version.
const PREAMBLE_BYTES: usize = 12;
/// Kind, length; then the payload and its checksum.
const SECTION_HEAD_BYTES: usize = 5;
/// Numbers at which codecs and additions change their minds.
const EDGES: [i64; 10] = [0, 1, 2, -1, i64::MAX, i64::MIN, i64::MAX - 1, 1 << 62, 1 << 32, 9_000_000_000];

/// A file as it is; or a member's own with fields changed, its checksums and its state hash put right again.
pub fn run(input: &[u8]) {
    let (as_it_is, body) = split(input);
    if as_it_is {
        if let Ok((meta, state)) = read_snapshot(body) {
            live_with(meta, state);
        }
        return;
    }
    let mut draw = Draw::new(body);
    let mut sections = own_sections();
    for _ in 0..=draw.below(3) {
        change(&mut sections, &mut draw);
    }
    let mut found = read_snapshot(&assemble(&sections));
    if let Err(error) = &found
        && let Some(hash) = computed_hash(&error.problem)
    {
        let end = sections.last_mut().expect("the last section at least");
        let at = end.1.len() - 16;
        end.1[at..].copy_from_slice(&hash.to_le_bytes());
        found = read_snapshot(&assemble(&sections));
    }
    if let Ok((meta, state)) = found {
        live_with(meta, state);
    }
}

/// Kind and payload of each section of a member's own snapshot.
fn own_sections() -> Vec<(u8, Vec<u8>)> {
    static OWN: OnceLock<Vec<(u8, Vec<u8>)>> = OnceLock::new();
    let own = OWN.get_or_init(|| {
        let member = ready_member();
        let state = member.engine(0).expect("it runs").state();
        take_apart(&write_snapshot(meta_of(state), state.view()))
    });
    own.clone()
}

fn take_apart(bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut sections = Vec::new();
    let mut rest = &bytes[PREAMBLE_BYTES..];
    while let [kind, a, b, c, d, after @ ..] = rest {
        let length = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
        sections.push((*kind, after[..length].to_vec()));
        rest = &rest[SECTION_HEAD_BYTES + length + 4..];
    }
    sections
}

fn assemble(sections: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = b"DETCDSNP\x01\0\0\0".to_vec();
    let mut checksum = 0;
    for (kind, payload) in sections {
        let head = [&[*kind][..], &(payload.len() as u32).to_le_bytes()].concat();
        checksum = crc32c::crc32c_append(crc32c::crc32c_append(checksum, &head), payload);
        bytes.extend([&head[..], payload, &checksum.to_le_bytes()].concat());
    }
    bytes
}

fn change(sections: &mut [(u8, Vec<u8>)], draw: &mut Draw<'_>) {
    let which = draw.below(sections.len());
    let payload = &mut sections[which].1;
    let at = draw.below(payload.len().max(1));
    match draw.below(8) {
        0..=2 => {
            // A number where one may stand.
            let number = EDGES[draw.below(EDGES.len())].to_le_bytes();
            if let Some(field) = payload.get_mut(at..at + 8) {
                field.copy_from_slice(&number);
            }
        }
        3 | 4 => {
            if let Some(byte) = payload.get_mut(at) {
                *byte = draw.byte();
            }
        }
        5 => drop(payload.drain(at..(at + draw.below(60)).min(payload.len()))),
        6 => {
            let inserted = draw.bytes(60);
            drop(payload.splice(at..at, inserted));
        }
        _ => {
            let other = draw.below(sections.len());
            sections.swap(which, other);
        }
    }
}

/// "state hash … expected, … found": the hash of what was built.
fn computed_hash(problem: &str) -> Option<u128> {
    let found = problem.strip_prefix("state hash ")?.split_once(" expected, ")?.1;
    u128::from_str_radix(found.strip_suffix(" found")?, 16).ok()
}

/// What was accepted can be written again, and a member goes on from it.
fn live_with(meta: SnapshotMeta, state: State) {
    check_state(meta.clone(), &state);
    let me = MemberId(1);
    if state.cluster() != CLUSTER || !state.members().contains_key(&me) {
        return;
    }
    let meta = SnapshotMeta { voters: vec![me], learners: Vec::new(), ..meta };
    // Another boot than the one that the state remembers commands of.
    let mut member = Cluster::of_state(1, |config| config.boot += 1, &meta, &state);
    member.run_for(5000);
    let all = RangeRequest::of(KeyRange::From(Bytes::from_static(b"\0")));
    let Ok(reply) = member.ask_and_wait(0, Request::Range(all)) else { return };
    let Response::Range(found) = reply.response else { panic!("{:?} to a Range", reply.response) };
    for record in found.kvs.iter().take(20) {
        let put = PutRequest {
            key: Bytes::copy_from_slice(record.key()),
            value: PutValue::Keep,
            lease: PutLease::Keep,
            prev_kv: true,
        };
        drop(member.ask_and_wait(0, Request::Put(put)));
    }
    let grant = LeaseGrantRequest { id: LeaseId(0), ttl_secs: 5 };
    drop(member.ask_and_wait(0, Request::LeaseGrant(grant)));
    member.run_for(20_000);
    member.check_states();
}
