//! Bytes from outside, made up by a fuzzer, against everything that reads them.
//!
//! A target is a function from bytes to nothing that panics where detcd is wrong. Its first byte says how the rest is
//! meant: as the very bytes that a client, a peer or a disk would hand over, or as choices (`draw`) that a message, a
//! file or a history is made of. The first finds what no sender would write, the second gets past checksums and lengths
//! to what lies behind. Every run is held against bounds of memory and time (`cost`).
//!
//! `fuzz_targets/` makes programs for libFuzzer of them, `tests/corpus.rs` runs all of them over what is kept in
//! `corpus/`, and docs/testing.md says how to hunt, to shrink and what to do with a find.

pub mod backup_read;
pub mod cluster;
pub mod command_decode;
pub mod cost;
pub mod draw;
pub mod duration_parse;
pub mod engine_step;
pub mod flags_parse;
pub mod lease_ops;
pub mod peer_frame;
pub mod range_parse;
pub mod reference;
pub mod snapshot_decode;
pub mod txn_parse;
pub mod wal_recover;
pub mod watch_stream;

/// The first byte of an input that is to be taken as it is. Any other means choices.
pub const AS_IT_IS: u8 = b'=';

/// A name and what it runs.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 13] = [
    ("txn_parse", txn_parse::run),
    ("range_parse", range_parse::run),
    ("watch_stream", watch_stream::run),
    ("lease_ops", lease_ops::run),
    ("command_decode", command_decode::run),
    ("wal_recover", wal_recover::run),
    ("snapshot_decode", snapshot_decode::run),
    ("backup_read", backup_read::run),
    ("peer_frame", peer_frame::run),
    ("engine_step", engine_step::run),
    ("duration_parse", duration_parse::run),
    ("config_file", flags_parse::config_file),
    ("command_line", flags_parse::command_line),
];

/// An input's body, and whether it is to be taken as it is.
fn split(input: &[u8]) -> (bool, &[u8]) {
    match input {
        [AS_IT_IS, body @ ..] => (true, body),
        [_, body @ ..] => (false, body),
        [] => (false, input),
    }
}
