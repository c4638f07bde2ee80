//! The modules of the engine, one file each, against the reference.
//!
//! `PROPTEST_CASES` scales all of it (256 is once). What fails is kept in `proptests/tests/proptest-regressions`, each
//! with a line that tells its story, and is tried first ever after.

mod auth;
mod codec;
mod key_range;
mod lease;
mod member;
mod mvcc;
mod single_member;
mod snapshot;
mod txn;
mod wal;
mod watch;
mod watch_model;

use proptest::test_runner::Config;

/// So many cases of a property, for each 256 that are asked for.
fn cases(of_256: u32) -> Config {
    let default = Config::default();
    Config { cases: (default.cases * of_256 / 256).max(1), ..default }
}
