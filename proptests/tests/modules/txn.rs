//! Which transactions a member takes: exactly those that the reference takes, refused in the same words. What they do
//! is in `member`.

use crate::cases;
use bytes::BytesMut;
use detcd_engine::command::{self, Caller, Command, Proposal, TXN_DEPTH_MAX};
use detcd_engine::ids::CommandId;
use detcd_engine::txn;
use detcd_proptests::reference::{self, DeleteRange, Op, Put, Refusal, Txn};
use detcd_proptests::strategies::{self, Scene};
use detcd_proptests::translate;
use proptest::collection::vec;
use proptest::prelude::*;

const SCENE: Scene = Scene { revision: 9, compacted: 4 };

fn check(asked: &Txn, ops_max: usize) -> Result<Txn, Refusal> {
    let translated = translate::txn(asked);
    let checked = txn::check(translated.clone(), ops_max);
    if let Ok(checked) = &checked {
        assert_eq!(checked, &translated, "checking changes nothing");
    }
    checked
        .map(|_| asked.clone())
        .map_err(|error| translate::refusal(error).unwrap_or_else(|| panic!("refused by {error:?}")))
}

/// Nothing but puts, deletes and transactions of these: most of what is generated is a duplicate, or nearly.
fn writing_txns(depth: usize) -> BoxedStrategy<Txn> {
    let put =
        strategies::keys().prop_map(|key| Op::Put(Put { key, value: None, lease: None, prev_kv: false }));
    let delete =
        strategies::key_ranges().prop_map(|keys| Op::DeleteRange(DeleteRange { keys, prev_kv: false }));
    let op = match depth {
        0 => prop_oneof![3 => put, 1 => delete].boxed(),
        _ => prop_oneof![3 => put, 1 => delete, 3 => writing_txns(depth - 1).prop_map(Op::Txn)].boxed(),
    };
    // Three: two deletes and a transaction that puts less than they delete.
    let branch = vec(op, 0..=3);
    (branch.clone(), branch)
        .prop_map(|(success, failure)| Txn { compares: Vec::new(), success, failure })
        .boxed()
}

proptest! {
    #![proptest_config(cases(4096))]

    #[test]
    fn a_path_that_writes_a_key_twice_is_refused(asked in writing_txns(2)) {
        prop_assert_eq!(check(&asked, 128).map(|_| ()), reference::txn::check(&asked, 128));
    }

    #[test]
    fn the_budget_is_what_the_lists_around_left(asked in strategies::txns(SCENE, 0..=2, 2), ops_max in 0_usize..7) {
        prop_assert_eq!(check(&asked, ops_max).map(|_| ()), reference::txn::check(&asked, ops_max));
    }
}

/// With a budget that lets it through, depth ends where a log entry's does: whatever is taken can be applied.
#[test]
fn what_is_taken_can_be_read_back_from_the_log() {
    let mut asked = Txn::default();
    for depth in 0..TXN_DEPTH_MAX + 3 {
        if let Ok(txn) = txn::check(translate::txn(&asked), 1_000) {
            let id = CommandId::default();
            let proposal = Proposal { id, caller: Caller::Anonymous, command: Command::Txn(txn) };
            let bytes = command::encode(&mut BytesMut::new(), &proposal);
            assert_eq!(command::decode(bytes), Ok(proposal), "nested {depth} deep");
        } else {
            assert!(depth > TXN_DEPTH_MAX, "refused {depth} deep");
        }
        asked = Txn { success: vec![Op::Txn(asked)], ..Txn::default() };
    }
}

proptest! {
    #![proptest_config(cases(128))]

    /// A chain of transactions, each the only one of its parent, in whichever branch: as deep as the budget and no
    /// deeper. A list of compares counts like a branch.
    #[test]
    fn nesting_ends_where_the_budget_does(is_success in vec(any::<bool>(), 0..12), ops_max in 0_usize..12) {
        let mut asked = Txn::default();
        for is_success in &is_success {
            let inner = vec![Op::Txn(asked)];
            asked = match is_success {
                true => Txn { success: inner, ..Txn::default() },
                false => Txn { failure: inner, ..Txn::default() },
            };
        }
        let expected = if is_success.len() <= ops_max { Ok(()) } else { Err(Refusal::TooManyOps) };
        prop_assert_eq!(check(&asked, ops_max).map(|_| ()), expected);
        prop_assert_eq!(reference::txn::check(&asked, ops_max), expected);
    }

    /// The rule of deletes told by what it means: a put beside a delete is refused where the delete would hit it, but
    /// for a delete of all keys from one on, which etcd does not look at.
    #[test]
    fn a_put_beside_a_delete_is_refused_where_the_delete_hits_it(
        key in strategies::keys(),
        keys in strategies::key_ranges(),
        put_is_first in any::<bool>(),
        is_failure in any::<bool>(),
    ) {
        let put = Op::Put(Put { key: key.clone(), value: None, lease: None, prev_kv: false });
        let delete = Op::DeleteRange(DeleteRange { keys: keys.clone(), prev_kv: false });
        let ops = if put_is_first { vec![put, delete] } else { vec![delete, put] };
        let asked = match is_failure {
            true => Txn { failure: ops, ..Txn::default() },
            false => Txn { success: ops, ..Txn::default() },
        };
        let expected = if keys.contains(&key) && !keys.is_endless() { Err(Refusal::DuplicateKey) } else { Ok(()) };
        prop_assert_eq!(check(&asked, 128).map(|_| ()), expected);
    }
}
