//! What the engine itself costs, in nanoseconds per operation: one member, no disk and no network.
//!
//! `cargo run --release -p detcd-engine --example throughput`. Requests come in batches, as the main loop takes them
//! from its inbox; a write counts as durable as soon as it is handed out. What is left of a member's cost is the
//! shell's: protobuf, the disk, the network.
#![expect(clippy::disallowed_methods, reason = "this measures time")]
#![expect(clippy::disallowed_macros, reason = "this prints what it measured")]

use bytes::{Bytes, BytesMut};
use detcd_engine::command::{self, Caller, Command, Proposal};
use detcd_engine::effects::Effects;
use detcd_engine::ids::{CommandId, LeaseId, MemberId, StreamId};
use detcd_engine::input::Input;
use detcd_engine::key_range::KeyRange;
use detcd_engine::memory_member::{self, MemoryMember, first_state};
use detcd_engine::request::{
    Compare, CompareOperand, CompareResult, PutLease, PutRequest, PutValue, RangeRequest, Request, Txn, TxnOp,
};
use detcd_engine::time::Time;
use detcd_engine::watch::{WatchCreate, WatchInput};
use std::hint::black_box;
use std::time::Instant;

/// Requests that share one `take_effects`.
const BATCH: u64 = 64;
const BATCHES: u64 = 4_000;
const KEYS: u64 = 10_000;
const VALUE: &[u8] = &[b'v'; 256];
/// Each sees every put.
const WATCHERS: u64 = 100;

struct Member {
    member: MemoryMember,
    now: Time,
    answers: u64,
    /// Of watch responses.
    events: u64,
}

impl Member {
    fn alone() -> Member {
        let mut config = memory_member::config(1);
        // Writing snapshots is the shell's work, and is not measured.
        config.snapshot_commands_min = u64::MAX;
        let (meta, state) = first_state(1);
        let mut member = MemoryMember::new(config, &meta, &state);
        member.start(1, Time::ZERO);
        let mut member = Member { member, now: Time::ZERO, answers: 0, events: 0 };
        while !member.member.engine.as_ref().is_some_and(|engine| engine.status().is_ready) {
            member.now = member.now.plus_ms(10);
            member.turn();
        }
        member
    }

    fn step(&mut self, input: Input) {
        self.member.step(self.now, input);
    }

    /// Does what the member asks for, until it asks for nothing more. What it writes is forgotten: it is the engine that is
    /// measured.
    fn turn(&mut self) {
        self.step(Input::Wake);
        loop {
            let Effects { replies, watch, .. } = self.member.take_effects();
            self.answers += replies.len() as u64;
            black_box(replies);
            for (stream, response) in &watch.responses {
                self.events += 1;
                let bytes = response.size_bytes(&watch.batches);
                self.step(Input::Watch(*stream, WatchInput::Drained { bytes }));
            }
            let Some(persist) = self.member.unsynced.pop_front() else { return };
            self.step(Input::Persisted(persist.id));
        }
    }

    /// Nanoseconds for each of many requests.
    fn measure(&mut self, request: impl Fn(u64) -> Request) -> f64 {
        let answers = self.answers;
        let start = Instant::now();
        for batch in 0..BATCHES {
            for number in batch * BATCH..(batch + 1) * BATCH {
                self.member.ask(self.now, false, request(number));
            }
            self.turn();
            self.now = self.now.plus_ms(1);
        }
        assert_eq!(self.answers - answers, BATCHES * BATCH, "each is answered in its own turn");
        nanoseconds_each(start, BATCHES * BATCH)
    }
}

fn nanoseconds_each(start: Instant, count: u64) -> f64 {
    start.elapsed().as_nanos() as f64 / count as f64
}

/// Keys in an order that is not theirs.
fn key(number: u64) -> Bytes {
    Bytes::from(format!("key{:013}", number.wrapping_mul(7_919) % KEYS))
}

fn put(number: u64) -> PutRequest {
    let value = PutValue::Set(Bytes::from_static(VALUE));
    PutRequest { key: key(number), value, lease: PutLease::Set(LeaseId(0)), prev_kv: false }
}

/// Compare and swap.
fn txn(number: u64) -> Txn {
    let range = KeyRange::One(key(number));
    let compare =
        Compare { range: range.clone(), result: CompareResult::Greater, operand: CompareOperand::Version(0) };
    let failure = vec![TxnOp::Range(RangeRequest::of(range))];
    Txn { compares: vec![compare], success: vec![TxnOp::Put(put(number))], failure }
}

fn watch_everything(member: &mut Member) {
    for stream in 0..WATCHERS {
        let create = WatchCreate {
            id: None,
            range: KeyRange::From(Bytes::from_static(b"\0")),
            start_revision: 0,
            progress_notify: false,
            no_put: false,
            no_delete: false,
            prev_kv: false,
            fragment: false,
        };
        member.step(Input::Watch(StreamId(stream), WatchInput::Open { require_leader: false }));
        member.step(Input::Watch(StreamId(stream), WatchInput::Create(create)));
    }
    member.turn();
}

/// What a leader does with a forwarded command before it queues it.
fn measure_decode() -> f64 {
    let id = CommandId { member: MemberId(1), boot: 1, number: 1 };
    let command = Command::Put(put(1));
    let bytes = command::encode(&mut BytesMut::new(), &Proposal { id, caller: Caller::Anonymous, command });
    let start = Instant::now();
    for _ in 0..BATCHES * BATCH {
        black_box(command::decode(black_box(bytes.clone())).expect("what was encoded"));
    }
    nanoseconds_each(start, BATCHES * BATCH)
}

fn main() {
    let mut member = Member::alone();
    let show = |what: &str, nanoseconds: f64| println!("{what:<44} {nanoseconds:>8.0} ns");
    println!("batches of {BATCH}, {KEYS} keys, values of {} bytes", VALUE.len());
    show("put", member.measure(|number| Request::Put(put(number))));
    show("put again, over twice the history", member.measure(|number| Request::Put(put(number))));
    show(
        "get, linearizable, evaluated",
        member.measure(|number| Request::Range(RangeRequest::of(KeyRange::One(key(number))))),
    );
    show("txn: compare and put", member.measure(|number| Request::Txn(txn(number))));
    watch_everything(&mut member);
    let events = member.events;
    let each = member.measure(|number| Request::Put(put(number)));
    show(&format!("put, seen by {WATCHERS} watchers"), each);
    let responses = (member.events - events) as f64 / BATCHES as f64;
    println!("{:<44} {responses:>8.0}", "  watch responses for each batch");
    show("decoding a put", measure_decode());
}
