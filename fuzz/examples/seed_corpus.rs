//! Makes the seeds in `corpus/` anew, with the codecs of the engine and the server from what clients, members and disks
//! really say: `cargo run --release --example seed_corpus`. The same bytes every time.

use bytes::{Bytes, BytesMut};
use detcd::pb;
use detcd::pb::compare::{CompareResult, CompareTarget, TargetUnion};
use detcd::pb::request_op::Request as Op;
use detcd::pb::watch_request::RequestUnion;
use detcd_engine::command::{Caller, Command, EntryBuilder, Proposal, encode};
use detcd_engine::frame;
use detcd_engine::ids::{ClusterId, CommandId, Grant, Incarnation, LeaseId, MemberId};
use detcd_engine::membership::MemberAttributes;
use detcd_engine::memory_member::{CLUSTER, first_state, meta_of, write_snapshot};
use detcd_engine::raft::{EntryKind, HardState, LogEntry, LogRecord};
use detcd_engine::request::{PutLease, PutRequest, PutValue, Request};
use detcd_engine::wal::{LogTail, SegmentHeader, encode_batch, encode_header};
use detcd_fuzz::AS_IT_IS;
use detcd_fuzz::cluster::Cluster;
use prost::Message;
use std::path::Path;

fn main() -> std::io::Result<()> {
    let messages = |all: Vec<(&'static str, Vec<u8>)>| {
        all.into_iter().map(|(name, bytes)| (name.to_owned(), as_it_is(&bytes))).collect::<Vec<_>>()
    };
    keep("txn_parse", messages(txns()))?;
    keep("range_parse", messages(ranges()))?;
    keep("watch_stream", messages(watches()))?;
    keep("lease_ops", messages(leases()))?;
    keep("command_decode", messages(commands()))?;
    keep("wal_recover", messages(vec![("segment", segment(1)), ("segment_of_later", segment(2))]))?;
    keep("peer_frame", frames())?;
    keep("snapshot_decode", snapshots())?;
    let durations = ["0", "5m", "1h30m", "1.5h", "300ms", "100us", "+.5s", "18446744073709551615ms"];
    keep("duration_parse", durations.map(|text| (text.to_owned(), text.as_bytes().to_vec())).to_vec())?;
    keep("config_file", config_files())?;
    keep("command_line", command_lines())?;
    for (target, marks) in [
        ("txn_parse", "."),
        ("range_parse", "."),
        ("watch_stream", "."),
        ("lease_ops", "."),
        ("command_decode", "."),
        ("wal_recover", "."),
        ("peer_frame", "."),
        ("snapshot_decode", "."),
        ("backup_read", "."),
        ("engine_step", ".="),
    ] {
        keep(target, choices(marks.as_bytes()))?;
    }
    Ok(())
}

fn keep(target: &str, inputs: Vec<(String, Vec<u8>)>) -> std::io::Result<()> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    std::fs::create_dir_all(&dir)?;
    inputs.into_iter().try_for_each(|(name, bytes)| std::fs::write(dir.join(name), bytes))
}

fn as_it_is(bytes: &[u8]) -> Vec<u8> {
    [&[AS_IT_IS], bytes].concat()
}

/// Histories by the dice: short ones, in which nearly every byte matters, and long ones.
fn choices(marks: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    let mut all = Vec::new();
    for mark in marks {
        for length in [20, 60, 200, 600, 1500] {
            let bytes = std::iter::once(*mark).chain((0..length).map(|_| next())).collect();
            all.push((format!("choices_{mark:02x}_{length}"), bytes));
        }
    }
    all
}

fn key(name: &str) -> Bytes {
    Bytes::copy_from_slice(name.as_bytes())
}

fn put(name: &str, value: &str, lease: i64) -> pb::RequestOp {
    let put = pb::PutRequest { key: key(name), value: key(value), lease, ..pb::PutRequest::default() };
    pb::RequestOp { request: Some(Op::RequestPut(put)) }
}

fn range(name: &str, end: &str) -> pb::RangeRequest {
    pb::RangeRequest { key: key(name), range_end: key(end), ..pb::RangeRequest::default() }
}

fn get(name: &str) -> pb::RequestOp {
    pb::RequestOp { request: Some(Op::RequestRange(range(name, ""))) }
}

fn compare(name: &str, target: CompareTarget, operand: TargetUnion) -> pb::Compare {
    pb::Compare {
        result: CompareResult::Equal.into(),
        target: target.into(),
        key: key(name),
        target_union: Some(operand),
        ..pb::Compare::default()
    }
}

/// A lock's, an update with its revision compared, a guarded delete, and a nested one.
fn txns() -> Vec<(&'static str, Vec<u8>)> {
    let lock = pb::TxnRequest {
        compare: vec![compare("lock/1", CompareTarget::Create, TargetUnion::CreateRevision(0))],
        success: vec![put("lock/1", "", 1), get("lock/")],
        failure: vec![get("lock/1"), get("lock/")],
    };
    let update = pb::TxnRequest {
        compare: vec![compare("a", CompareTarget::Mod, TargetUnion::ModRevision(12))],
        success: vec![put("a", "new", 0)],
        failure: vec![get("a")],
    };
    let delete = pb::DeleteRangeRequest { key: key("a"), range_end: key("c"), prev_kv: true };
    let guarded = pb::TxnRequest {
        compare: vec![compare("b", CompareTarget::Value, TargetUnion::Value(key("x")))],
        success: Vec::new(),
        failure: vec![pb::RequestOp { request: Some(Op::RequestDeleteRange(delete)) }, put("d", "y", 2)],
    };
    let inner = |txn: &pb::TxnRequest| pb::RequestOp { request: Some(Op::RequestTxn(txn.clone())) };
    let nested =
        pb::TxnRequest { compare: Vec::new(), success: vec![inner(&lock), inner(&update)], failure: vec![] };
    vec![
        ("lock", lock.encode_to_vec()),
        ("update", update.encode_to_vec()),
        ("guarded_delete", guarded.encode_to_vec()),
        ("nested", nested.encode_to_vec()),
    ]
}

fn ranges() -> Vec<(&'static str, Vec<u8>)> {
    let page = pb::RangeRequest { limit: 3, revision: 40, ..range("a", "\0") };
    let newest = pb::RangeRequest { sort_order: 2, sort_target: 3, limit: 1, ..range("a", "z") };
    let since = pb::RangeRequest { min_mod_revision: 30, max_create_revision: 50, ..range("a", "e") };
    let count = pb::RangeRequest { count_only: true, serializable: true, ..range("b", "c") };
    vec![
        ("get", range("ab", "").encode_to_vec()),
        ("page", page.encode_to_vec()),
        ("newest", newest.encode_to_vec()),
        ("since", since.encode_to_vec()),
        ("count", count.encode_to_vec()),
    ]
}

fn watches() -> Vec<(&'static str, Vec<u8>)> {
    let create = |start_revision, prev_kv| {
        RequestUnion::CreateRequest(pb::WatchCreateRequest {
            key: key("a"),
            range_end: key("\0"),
            start_revision,
            prev_kv,
            progress_notify: true,
            ..pb::WatchCreateRequest::default()
        })
    };
    let stream = |unions: Vec<RequestUnion>| {
        let messages = unions.into_iter().map(|union| pb::WatchRequest { request_union: Some(union) });
        messages.flat_map(|message| message.encode_length_delimited_to_vec()).collect::<Vec<u8>>()
    };
    let progress = RequestUnion::ProgressRequest(pb::WatchProgressRequest {});
    let cancel = RequestUnion::CancelRequest(pb::WatchCancelRequest { watch_id: 0 });
    vec![
        ("from_now", stream(vec![create(0, false), progress, cancel.clone()])),
        ("from_the_past", stream(vec![create(6, true), create(0, true), create(3, false), cancel])),
    ]
}

fn leases() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("grant", pb::LeaseGrantRequest { id: 0, ttl: 60 }.encode_to_vec()),
        ("grant_of_an_id", pb::LeaseGrantRequest { id: 0x7000_0001, ttl: 5 }.encode_to_vec()),
        ("time_to_live", pb::LeaseTimeToLiveRequest { id: 1, keys: true }.encode_to_vec()),
    ]
}

fn proposal(number: u64, command: Command) -> Bytes {
    let id = CommandId { member: MemberId(1), boot: 1, number };
    encode(&mut BytesMut::new(), &Proposal { id, caller: Caller::Anonymous, command })
}

fn put_command() -> PutRequest {
    PutRequest { key: key("key"), value: PutValue::Set(key("value")), lease: PutLease::Keep, prev_kv: false }
}

fn commands() -> Vec<(&'static str, Vec<u8>)> {
    let txn =
        txns().into_iter().find(|(name, _)| *name == "nested").map(|(_, bytes)| bytes).unwrap_or_default();
    let txn = pb::TxnRequest::decode(Bytes::from(txn)).expect("encoded just now");
    let txn = detcd::wire::txn::txn_request(txn, 128).expect("well formed");
    let grant = Grant { lease: LeaseId(7), number: 3 };
    let attributes = MemberAttributes {
        id: MemberId(1),
        name: "m1".to_owned(),
        client_urls: vec!["http://m1:2379".to_owned()],
        incarnation: Incarnation(9),
    };
    let all = [
        ("put", Command::Put(put_command())),
        ("txn", Command::Txn(txn)),
        ("compact", Command::Compact(5)),
        ("grant", Command::LeaseGrant { id: LeaseId(7), ttl_secs: 60 }),
        ("expire", Command::LeaseExpire(vec![grant])),
        ("remaining", Command::LeaseRemaining(vec![(grant, Some(30)), (grant, None)])),
        ("attributes", Command::Attributes(attributes)),
    ];
    let mut entry = EntryBuilder::with_capacity(1000);
    let mut kept = Vec::new();
    for (number, (name, command)) in (1..).zip(all) {
        let bytes = proposal(number, command);
        entry.push(&bytes);
        kept.push((name, bytes.to_vec()));
    }
    kept.push(("entry", entry.finish().to_vec()));
    kept
}

fn segment(number: u64) -> Vec<u8> {
    let (cluster, member, incarnation) = (ClusterId(0xc), MemberId(1), Incarnation(1));
    let tail = LogTail::default();
    let header = SegmentHeader { cluster, member, incarnation, number, previous: 0, tail, segment_bytes: 0 };
    let (mut bytes, mut chain) = encode_header(&header);
    for index in 1..=5 {
        let mut data = EntryBuilder::with_capacity(100);
        data.push(&proposal(index, Command::Put(put_command())));
        let entry = LogEntry { term: 1, index, kind: EntryKind::Commands, data: data.finish() };
        let hard_state = HardState { term: 1, vote: member, commit: index - 1 };
        let record = LogRecord::Append { hard_state: Some(hard_state), entries: vec![entry] };
        let synced_bytes = chain.end_offset();
        encode_batch(&mut chain, &[record], synced_bytes, &mut bytes);
    }
    bytes.resize(bytes.len() + 50, 0);
    bytes
}

/// What member 1 of three is told while they elect a leader, write and ask about leases: each kind of frame, in two sizes.
fn frames() -> Vec<(String, Vec<u8>)> {
    let mut cluster = Cluster::new(3, |_| {});
    let mut kept: Vec<(String, Vec<u8>)> = Vec::new();
    for step in 0..2000_u64 {
        for at in 0..3 {
            cluster.wake(at);
            while cluster.persist_one(at) {}
            if step % 100 == 50 {
                cluster.ask(at, false, Request::Put(put_command()));
                cluster.ask(at, false, Request::LeaseKeepAlive(LeaseId(1)));
                cluster.ask(at, false, Request::LeaseLeases);
            }
        }
        while cluster.messages() > 0 {
            let message = cluster.message(0).clone();
            cluster.deliver(0);
            if message.to != MemberId(1) {
                continue;
            }
            let bytes = frame::encode(&message, CLUSTER);
            let kind = format!("{:?}", message.body);
            let kind: String = kind.chars().filter(|letter| letter.is_alphanumeric()).take(22).collect();
            let name = format!("{kind}_{}", bytes.len());
            let is_new = kept.iter().filter(|(known, _)| known.starts_with(&kind)).count() < 2;
            if is_new && kept.iter().all(|(known, _)| *known != name) {
                kept.push((name, as_it_is(&bytes)));
            }
        }
        cluster.take_received();
        cluster.pass(20);
    }
    kept
}

fn snapshots() -> Vec<(String, Vec<u8>)> {
    let empty = first_state(1);
    let mut member = Cluster::new(1, |_| {});
    member.settle();
    for _ in 0..3 {
        let put = PutRequest { lease: PutLease::Set(LeaseId(0)), ..put_command() };
        member.ask_and_wait(0, Request::Put(put)).expect("nothing stands against it");
    }
    let state = member.engine(0).expect("it runs").state();
    vec![
        ("first".to_owned(), as_it_is(&write_snapshot(empty.0, empty.1.view()))),
        ("few_keys".to_owned(), as_it_is(&write_snapshot(meta_of(state), state.view()))),
    ]
}

/// What operators write, and what is wrong with it at times.
fn config_files() -> Vec<(String, Vec<u8>)> {
    let files = [
        (
            "plain",
            "name: m1\nlisten-client-urls: http://127.0.0.1:2379\ninitial-cluster: m1=http://localhost:2380\n\
             election-timeout: 2000\nwatch-progress-notify-interval: 5000000000\n",
        ),
        (
            "blocks",
            "client-transport-security:\n  cert-file:\n  auto-tls: false\nsocket-options: {reuse-address: true}\n\
             discovery-config:\n  client:\n    secure: {insecure-transport: yes}\n    endpoints: []\n",
        ),
        (
            "json",
            "{\"name\": \"x\",\n\t\"log-outputs\": [\"stderr\", \"a.log\"], \"enable-log-rotation\": true}",
        ),
        ("anchors", "name: &n a\ninitial-cluster-token: *n\n---\nname: b\n"),
        ("wrong", "heartbeat-interval: soon\nnme: x\nlog-outputs: stderr\nfeature-gates: Foo=true\n"),
        (
            "scalars",
            "name: |\n  a\n  b\ndata-dir: \"\\x41\\u00e9\"\nlog-level: 'debug'\nmetrics: ~\n? wal-dir\n:\n",
        ),
    ];
    files.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())).to_vec()
}

/// A word a line; after an empty line variables.
fn command_lines() -> Vec<(String, Vec<u8>)> {
    let lines = [
        (
            "urls",
            "--name=a\n-listen-peer-urls\nhttp://127.0.0.1:1,http://[::1]:2\n--initial-cluster=a=http://b:1",
        ),
        (
            "gates",
            "--feature-gates=AllAlpha=true,LeaseCheckpoint=false\n--experimental-initial-corrupt-check",
        ),
        (
            "logs",
            "--log-outputs=a.log,stdout\n-enable-log-rotation\n--log-rotation-config-json={\"maxsize\": 1}",
        ),
        ("variables", "--max-txn-ops=0x10\n\nETCD_NAME=a\nETCD_MAX_TXN_OPS=5\nETCD_OTHER=x"),
        ("questions", "--print-config\n--version=false\n-h\n--\nstray"),
        ("wrong", "--nme\nx\n---a\n-=\n--auto-compaction-mode=revision\n--auto-compaction-retention=5m"),
    ];
    lines.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())).to_vec()
}
