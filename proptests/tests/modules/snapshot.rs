//! Snapshots: read back they are the state they were written from; cut short or changed anywhere they are refused.

use crate::cases;
use crate::mvcc::{assert_every_revision, assert_same};
use crate::single_member::SingleMember;
use detcd_engine::snapshot::{Reader, SnapshotError};
use detcd_engine::state::State;
use detcd_engine::txn;
use detcd_proptests::reference::{self, Cluster, Write};
use detcd_proptests::strategies::{self, Scene};
use detcd_proptests::translate;
use proptest::collection::vec;
use proptest::prelude::*;

fn read(bytes: &[u8], piece_bytes: usize) -> Result<State, SnapshotError> {
    let mut reader = Reader::new();
    for piece in bytes.chunks(piece_bytes) {
        reader.push(piece)?;
    }
    reader.finish().map(|(_, state)| state)
}

/// A member and the reference after some writes, whatever became of each.
fn written(writes: &[Write]) -> (SingleMember, Cluster) {
    let (mut member, mut cluster) = (SingleMember::new(|_| {}), Cluster::default());
    for write in writes {
        let write = match write {
            Write::Txn(asked) if txn::check(translate::txn(asked), 128).is_err() => continue,
            Write::LeaseGrant(id, ttl_secs) => Write::LeaseGrant(*id, (*ttl_secs).max(2)),
            other => other.clone(),
        };
        let is_done = member.ask(translate::write(&write)).is_ok();
        assert_eq!(is_done, cluster.apply(&write).is_ok(), "{write:?}");
    }
    (member, cluster)
}

proptest! {
    #![proptest_config(cases(32))]

    #[test]
    fn a_snapshot_is_the_state_and_nothing_else_is(
        writes in vec(strategies::writes(Scene { revision: 6, compacted: 2 }), 0..25),
        piece_bytes in 1_usize..200,
        bits in 1_u8..,
    ) {
        let (member, cluster) = written(&writes);
        let bytes = member.snapshot();
        let state = read(&bytes, piece_bytes).expect("as it was written");
        prop_assert_eq!(state.hash(), member.engine().state().hash());
        assert_same(state.store(), &cluster.store);
        assert_every_revision(&state.store().view(), &cluster.store);
        let expected = reference::snapshot::of(&cluster);
        let store = state.store();
        prop_assert_eq!((store.revision(), store.compacted_revision()), (expected.revision, expected.compacted));
        for at in 0..bytes.len() {
            prop_assert!(read(&bytes[..at], bytes.len()).is_err(), "cut at {}", at);
            let mut changed = bytes.clone();
            changed[at] ^= bits;
            prop_assert!(read(&changed, bytes.len()).is_err(), "changed at {}", at);
        }
        prop_assert!(read(&[&bytes[..], &[0]].concat(), bytes.len()).is_err(), "a byte too much");
    }
}
