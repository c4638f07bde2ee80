//! The worst megabytes that came to mind: what a decoder that trusts a length, a loop inside a loop or a list of tiny
//! things would choke on. Made here, because a fuzzer takes long to grow an input so large.

use detcd_fuzz::cost::{INPUT_BYTES_MAX, bounded};
use detcd_fuzz::{AS_IT_IS, TARGETS};

/// An input of a megabyte, as it is: `head`, then `item` again and again.
fn repeated(head: &[u8], item: &[u8]) -> Vec<u8> {
    let mut input = [&[AS_IT_IS], head].concat();
    let times = (INPUT_BYTES_MAX - input.len()) / item.len();
    input.extend(item.repeat(times));
    input
}

fn run(target: &str, input: &[u8]) {
    let (_, run) = TARGETS.into_iter().find(|(name, _)| *name == target).expect("one of the targets");
    bounded(input, run);
}

/// A field of a protobuf message: bytes with their length before them.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    prost::encoding::encode_varint(content.len() as u64, &mut out);
    out.extend_from_slice(content);
    out
}

fn put_op(key: &[u8]) -> Vec<u8> {
    field(2, &field(2, &field(1, key)))
}

const COMPARE: u8 = 1;
const SUCCESS: u8 = 2;
const FAILURE: u8 = 3;

fn op_in(branch: u8, op_content: &[u8]) -> Vec<u8> {
    field(branch, op_content)
}

/// A put as an operation's content.
fn put(key: &[u8]) -> Vec<u8> {
    field(2, &field(1, key))
}

/// A nested transaction as an operation's content.
fn nested(txn: &[u8]) -> Vec<u8> {
    field(4, txn)
}

#[test]
fn a_txn_of_empty_operations() {
    run("txn_parse", &repeated(&[], &op_in(SUCCESS, &[])));
}

#[test]
fn a_txn_of_empty_compares() {
    run("txn_parse", &repeated(&[], &op_in(COMPARE, &[])));
}

#[test]
fn a_txn_of_empty_ranges() {
    run("txn_parse", &repeated(&[], &op_in(FAILURE, &field(1, &[]))));
}

#[test]
fn a_txn_of_tiny_puts() {
    run("txn_parse", &repeated(&[], &put_op(b"k")));
}

#[test]
fn a_txn_of_empty_nested_ones() {
    run("txn_parse", &repeated(&[], &op_in(SUCCESS, &nested(&[]))));
}

/// Just past where a list doubles, twice, and the rest.
#[test]
fn a_txn_of_three_lists_that_have_just_grown() {
    let lists = [(SUCCESS, (1 << 18) + 1), (FAILURE, (1 << 17) + 1), (COMPARE, (1 << 17) - 3)];
    let body: Vec<u8> = lists.into_iter().flat_map(|(list, times)| op_in(list, &[]).repeat(times)).collect();
    assert!(body.len() < INPUT_BYTES_MAX, "{} bytes", body.len());
    run("txn_parse", &[&[AS_IT_IS], &body[..]].concat());
}

/// A nested transaction that comes piece by piece: to protobuf its pieces are one.
#[test]
fn a_txn_of_one_operation_in_many_pieces() {
    let pieces = nested(&op_in(COMPARE, &[])).repeat(INPUT_BYTES_MAX / 4 - 4);
    run("txn_parse", &[&[AS_IT_IS], &op_in(SUCCESS, &pieces)[..]].concat());
    let kinds = [nested(&op_in(SUCCESS, &[])), put(b"k")].concat();
    let pieces = kinds.repeat(INPUT_BYTES_MAX / kinds.len() - 4);
    run("txn_parse", &[&[AS_IT_IS], &op_in(SUCCESS, &pieces)[..]].concat());
}

/// Well formed to the last operation but one.
#[test]
fn a_txn_that_is_torn_off() {
    for item in [op_in(COMPARE, &[]), op_in(SUCCESS, &[]), op_in(FAILURE, &nested(&compare()))] {
        let mut input = repeated(&[], &item);
        input.extend([op_in(SUCCESS, &[])[0], 1]);
        run("txn_parse", &input);
    }
}

/// A compare as a list holds it, with a key.
fn compare() -> Vec<u8> {
    op_in(COMPARE, &field(3, b"k"))
}

/// Branches of `wide` operations each, on so many levels, around `leaf`.
fn tree(levels: usize, wide: usize, leaf: &[u8]) -> Vec<u8> {
    let inner = if levels == 1 { leaf.to_vec() } else { tree(levels - 1, wide, leaf) };
    let branch = |list| op_in(list, &nested(&inner)).repeat(wide);
    [branch(SUCCESS), branch(FAILURE)].concat()
}

/// Each is within what its parents left: a list of one, again and again.
#[test]
fn a_txn_of_nested_ones_of_a_single_compare_or_range() {
    let leaves = [(23, compare()), (21, op_in(SUCCESS, &field(1, &field(1, b"k"))))];
    for (wide, leaf) in leaves {
        let txn = tree(3, wide, &leaf);
        assert!(txn.len() < INPUT_BYTES_MAX, "{} bytes", txn.len());
        assert!(txn.len() > INPUT_BYTES_MAX * 3 / 4, "{} bytes", txn.len());
        run("txn_parse", &[&[AS_IT_IS], &txn[..]].concat());
    }
}

/// Levels that double, as deep as a megabyte goes.
#[test]
fn a_txn_that_branches_on_every_level() {
    let txn = tree(16, 1, &compare());
    assert!(txn.len() < INPUT_BYTES_MAX, "{} bytes", txn.len());
    run("txn_parse", &[&[AS_IT_IS], &txn[..]].concat());
}

/// Lists of forty in three levels: each is within what its parent left.
#[test]
fn a_txn_that_is_wide_on_every_level() {
    let mut serial = 0_u32;
    let mut leaf = || {
        let ops = (0..40).map(|_| {
            serial += 1;
            op_in(SUCCESS, &put(&serial.to_be_bytes()))
        });
        ops.collect::<Vec<_>>().concat()
    };
    let mut middle = || (0..40).map(|_| op_in(SUCCESS, &nested(&leaf()))).collect::<Vec<_>>().concat();
    let root = (0..40).map(|_| op_in(SUCCESS, &nested(&middle()))).collect::<Vec<_>>().concat();
    run("txn_parse", &[&[AS_IT_IS], &root[..]].concat());
}

/// The same forty levels down: whatever each level does with all that is below it, it does forty times.
#[test]
fn a_txn_that_is_deep_and_wide_below() {
    let mut serial = 0_u32;
    let mut leaf = || {
        let op = |branch: u8, serial: &mut u32| {
            *serial += 1;
            op_in(branch, &put(&serial.to_be_bytes()))
        };
        let success: Vec<u8> = (0..40).flat_map(|_| op(SUCCESS, &mut serial)).collect();
        let failure: Vec<u8> = (0..40).flat_map(|_| op(FAILURE, &mut serial)).collect();
        [success, failure].concat()
    };
    let mut both = || {
        let success: Vec<u8> = (0..40).flat_map(|_| op_in(SUCCESS, &nested(&leaf()))).collect();
        let failure: Vec<u8> = (0..40).flat_map(|_| op_in(FAILURE, &nested(&leaf()))).collect();
        [success, failure].concat()
    };
    let mut txn: Vec<u8> = (0..9).flat_map(|_| op_in(SUCCESS, &nested(&both()))).collect();
    for _ in 0..38 {
        txn = op_in(FAILURE, &nested(&txn));
    }
    assert!(txn.len() < INPUT_BYTES_MAX, "{} bytes", txn.len());
    run("txn_parse", &[&[AS_IT_IS], &txn[..]].concat());
}

/// Deeper than any message may nest.
#[test]
fn a_txn_that_is_all_depth() {
    let mut txn = Vec::new();
    for _ in 0..5000 {
        txn = op_in(SUCCESS, &nested(&txn));
    }
    run("txn_parse", &[&[AS_IT_IS], &txn[..]].concat());
}

#[test]
fn an_entry_that_claims_as_many_commands_as_it_can() {
    let count = (INPUT_BYTES_MAX as u32 - 6) / 4;
    run("command_decode", &repeated(&[&[1][..], &count.to_le_bytes()].concat(), &[0; 4]));
}

fn command(kind: u8) -> Vec<u8> {
    [&[0; 20][..], &[1, kind]].concat()
}

/// Each level claims as many operations as the rest could hold, and has one.
#[test]
fn a_command_whose_every_level_claims_all() {
    let mut head = command(3);
    let count = (INPUT_BYTES_MAX as u32 / 6) - 2000;
    for _ in 0..199 {
        head.extend(0_u32.to_le_bytes());
        head.extend(count.to_le_bytes());
        head.push(4);
    }
    run("command_decode", &repeated(&head, &[0]));
}

#[test]
fn a_command_of_tiny_operations() {
    let op = [3, 0, 1, 0, 0, 0, b'k', 0];
    let count = (INPUT_BYTES_MAX as u32 - 40) / op.len() as u32;
    let head = [&command(3)[..], &0_u32.to_le_bytes(), &count.to_le_bytes()].concat();
    run("command_decode", &repeated(&head, &op));
}

#[test]
fn a_command_of_tiny_compares() {
    let compare = [0, 1, 0, 0, 0, b'k', 0, 3, 0, 0, 0, 0];
    let count = (INPUT_BYTES_MAX as u32 - 40) / compare.len() as u32;
    run("command_decode", &repeated(&[&command(3)[..], &count.to_le_bytes()].concat(), &compare));
}

#[test]
fn a_command_of_expiries() {
    let count = (INPUT_BYTES_MAX as u32 - 40) / 16;
    run("command_decode", &repeated(&[&command(7)[..], &count.to_le_bytes()].concat(), &[1; 16]));
}

fn segment_header() -> Vec<u8> {
    use detcd_engine::ids::{ClusterId, Incarnation, MemberId};
    use detcd_engine::wal::{LogTail, SegmentHeader, encode_header};
    let (cluster, member, incarnation) = (ClusterId(0xc), MemberId(1), Incarnation(1));
    let tail = LogTail::default();
    let header =
        SegmentHeader { cluster, member, incarnation, number: 1, previous: 0, tail, segment_bytes: 0 };
    encode_header(&header).0
}

/// Clients choose what stands in a log: here it looks like the beginning of a record wherever one looks.
#[test]
fn a_torn_tail_full_of_what_looks_like_records() {
    for length in [1024, 100_000, INPUT_BYTES_MAX as u32 / 2] {
        let like_a_record = [&b"dRec"[..], &length.to_le_bytes()].concat();
        run("wal_recover", &repeated(&segment_header(), &like_a_record));
    }
}

#[test]
fn a_torn_tail_full_of_markers() {
    run("wal_recover", &repeated(&segment_header(), b"dRec"));
}

#[test]
fn a_log_of_nothing_but_ones() {
    run("wal_recover", &repeated(&segment_header(), &[1]));
}

/// A frame with its checksum.
fn frame(body: &[u8]) -> Vec<u8> {
    let mut frame = b"dtpf\x01\0\0\0".to_vec();
    for number in [0xc, 2, 1, 1_u64] {
        frame.extend(number.to_le_bytes());
    }
    frame.push(1);
    frame.extend(1_u64.to_le_bytes());
    frame.extend_from_slice(body);
    frame.extend(crc32c::crc32c(&frame).to_le_bytes());
    [&[AS_IT_IS], &frame[..]].concat()
}

#[test]
fn a_frame_of_empty_commands() {
    let count = (INPUT_BYTES_MAX as u32 - 100) / 4;
    let body = [&[2][..], &count.to_le_bytes(), &vec![0; count as usize * 4]].concat();
    run("peer_frame", &frame(&body));
}

#[test]
fn a_frame_of_tiny_commands() {
    let count = (INPUT_BYTES_MAX as u32 - 100) / 5;
    let body = [&[2][..], &count.to_le_bytes(), &[1, 0, 0, 0, 7].repeat(count as usize)].concat();
    run("peer_frame", &frame(&body));
}

#[test]
fn a_frame_of_empty_entries() {
    let count = (INPUT_BYTES_MAX as u64 - 300) / 21;
    let mut body = vec![1, 1];
    for number in [1, 1, 1, 0, 0_u64] {
        body.extend(number.to_le_bytes());
    }
    body.push(0);
    body.extend([0; 24]);
    body.extend([0; 4]);
    body.push(0);
    body.extend((count as u32).to_le_bytes());
    for at in 0..count {
        body.extend(1_u64.to_le_bytes());
        body.extend((2 + at).to_le_bytes());
        body.extend([1, 0, 0, 0, 0]);
    }
    run("peer_frame", &frame(&body));
}

#[test]
fn a_frame_of_a_lease_with_tiny_keys() {
    let count = (INPUT_BYTES_MAX as u32 - 200) / 5;
    let head = [&[6][..], &[1; 20], &[2], &[1; 24], &count.to_le_bytes()].concat();
    run("peer_frame", &frame(&[&head[..], &[1, 0, 0, 0, 7].repeat(count as usize)].concat()));
}

#[test]
fn a_stream_of_watchers() {
    let create = [4, 0x0a, 2, 0x12, 0];
    run("watch_stream", &repeated(&[], &create));
}

#[test]
fn a_snapshot_of_one_section_that_never_ends() {
    run("snapshot_decode", &repeated(b"DETCDSNP\x01\0\0\0\x01\xff\xff\xff\x3f", &[0]));
}

#[test]
fn a_duration_of_many_parts() {
    let (_, duration) = TARGETS.into_iter().find(|(name, _)| *name == "duration_parse").expect("a target");
    bounded("1ns".repeat(INPUT_BYTES_MAX / 3).as_bytes(), duration);
    bounded("1".repeat(INPUT_BYTES_MAX).as_bytes(), duration);
}

/// A text of a megabyte as it is, through a target that reads no mark.
fn text(target: &str, text: &str) {
    let (_, run) = TARGETS.into_iter().find(|(name, _)| *name == target).expect("one of the targets");
    bounded(text.as_bytes(), run);
}

fn times(part: &str) -> String {
    part.repeat(INPUT_BYTES_MAX / part.len())
}

#[test]
fn a_configuration_file_of_one_thing_again_and_again() {
    for part in [
        "[", "{a: ", "- ", "a: 1\n", "a:\n", "? ", "#\n", "&a ", "*a ", "!!str ", "---\n", "\"", "'", "\t",
        "a",
    ] {
        text("config_file", &times(part));
    }
    let levels: String = (0..1400).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
    text("config_file", &levels);
    text("config_file", &format!("a: &a {}\nb: [{}]", "x".repeat(1000), "*a, ".repeat(200_000)));
    text("config_file", &format!("log-outputs: [{}]", "a, ".repeat(300_000)));
    text("config_file", &format!("name: \"{}\"", "\\u00e9".repeat(170_000)));
    let unknown: String = (0..100_000).map(|number| format!("k{number}: 1\n")).collect();
    text("config_file", &unknown);
}

#[test]
fn a_command_line_of_one_thing_again_and_again() {
    for part in [
        "-a\n",
        "--v\n",
        "--name=x\n",
        "-name\n",
        "x\n",
        "--max-txn-ops=x\n",
        "--experimental-max-learners=2\n",
    ] {
        text("command_line", &times(part));
    }
    for flag in [
        "initial-cluster",
        "listen-peer-urls",
        "log-outputs",
        "feature-gates",
        "cipher-suites",
        "max-txn-ops",
    ] {
        for part in [",", "a,", "a=http://b:1,", "http://a:1,", "default,", "AllAlpha=true,", "1_"] {
            text("command_line", &format!("--{flag}={}", part.repeat(900_000 / part.len())));
        }
    }
    let urls: String = (0..50_000).map(|port| format!("a=http://b:{port},")).collect();
    text("command_line", &format!("--initial-cluster={urls}"));
    let variables: String = (0..60_000).map(|number| format!("ETCD_A{number}=1\n")).collect();
    text("command_line", &format!("--name=a\n\n{variables}"));
}
