//! Requests that look for trouble: keys that collide and nest, ranges that touch, ends that mean something else,
//! limits at the edge of their type, revisions around those where the answer changes.
//!
//! Whatever depends on where the store stands takes a `Scene`: what is of interest right now.

use crate::reference::{
    Cluster, Compare, DeleteRange, KeyRange, Op, Operand, Order, Put, Range, Relation, Target, Txn, Write,
};
use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use std::ops::RangeInclusive;

/// Few, so that they collide; prefixes of each other, neighbours, and both ends of all that can be a key.
const KEYS: &[&[u8]] =
    &[b"\0", b"\0\0", b"a", b"a\0", b"aa", b"ab", b"ab\xff", b"b", b"ba", b"\xff", b"\xff\0", b"\xff\xff"];

/// Few, so that sorting by value has ties; the empty one is a value too.
const VALUES: &[&[u8]] = &[b"", b"\0", b"v", b"v", b"w", b"ww"];

/// Lease ids that are asked for; any number but 0 will do.
pub const LEASES: &[i64] = &[1, 2, 3, -1, i64::MAX, i64::MIN];

/// What revisions and leases are of interest.
#[derive(Clone, Copy, Debug)]
pub struct Scene {
    /// The newest revision.
    pub revision: i64,
    /// The oldest readable one.
    pub compacted: i64,
}

impl Scene {
    /// Where a cluster stands.
    pub fn of(cluster: &Cluster) -> Scene {
        Scene { revision: cluster.store.revision(), compacted: cluster.store.compacted() }
    }
}

/// A key.
pub fn keys() -> impl Strategy<Value = Bytes> + Clone {
    select(KEYS).prop_map(Bytes::from_static)
}

/// A value.
pub fn values() -> impl Strategy<Value = Bytes> + Clone {
    select(VALUES).prop_map(Bytes::from_static)
}

/// A range: one key, a prefix, everything from a key on, between two keys in whatever order (so empty ones too), or
/// just what touches a key.
pub fn key_ranges() -> impl Strategy<Value = KeyRange> + Clone {
    let after = |key: &Bytes| [key.as_ref(), b"\0"].concat();
    prop_oneof![
        4 => keys().prop_map(KeyRange::one),
        2 => Just(KeyRange::all()),
        2 => keys().prop_map(KeyRange::from),
        2 => keys().prop_map(KeyRange::prefix),
        4 => (keys(), keys()).prop_map(|(key, end)| KeyRange::new(key, end)),
        1 => keys().prop_map(move |key| KeyRange::new(key.clone(), after(&key))),
        1 => (keys(), keys()).prop_map(move |(key, end)| KeyRange::new(key, after(&end))),
    ]
}

/// A limit; what is not positive is none.
pub fn limits() -> impl Strategy<Value = i64> + Clone {
    prop_oneof![
        4 => Just(0),
        8 => 1_i64..6,
        1 => select(&[-1, i64::MIN, i64::MAX, i64::MAX - 1, 1 << 32, (1 << 32) - 1][..]),
    ]
}

/// A revision: mostly the present, else around the compacted and the newest one, or any that was.
pub fn revisions(scene: Scene) -> impl Strategy<Value = i64> + Clone {
    prop_oneof![6 => Just(0), 5 => edges(scene), 3 => 1..=scene.revision]
}

/// The revisions where answers change.
pub fn edges(scene: Scene) -> impl Strategy<Value = i64> + Clone {
    let Scene { revision, compacted } = scene;
    let edges = [compacted - 1, compacted, compacted + 1, revision - 1, revision, revision + 1];
    let far = [-2, -1, 1, i64::MIN, i64::MAX];
    prop_oneof![6 => select(edges.to_vec()), 1 => select(far.to_vec())]
}

/// A bound of a range read's revisions: mostly none.
fn bounds(scene: Scene) -> impl Strategy<Value = i64> + Clone {
    prop_oneof![6 => Just(0), 2 => 1..=scene.revision + 1, 1 => Just(-1)]
}

/// A range read with all options.
pub fn ranges(scene: Scene) -> impl Strategy<Value = Range> + Clone {
    let orders = select(&[Order::None, Order::None, Order::Ascend, Order::Descend][..]);
    let targets =
        select(&[Target::Key, Target::Key, Target::Version, Target::Create, Target::Mod, Target::Value][..]);
    let flags = (proptest::bool::weighted(0.15), proptest::bool::weighted(0.1));
    let bounds = (bounds(scene), bounds(scene), bounds(scene), bounds(scene));
    (key_ranges(), limits(), revisions(scene), orders, targets, flags, bounds).prop_map(
        |(keys, limit, revision, order, target, (keys_only, count_only), bounds)| Range {
            keys,
            limit,
            revision,
            order,
            target,
            keys_only,
            count_only,
            min_mod_revision: bounds.0,
            max_mod_revision: bounds.1,
            min_create_revision: bounds.2,
            max_create_revision: bounds.3,
        },
    )
}

/// A put: sometimes on a lease that may not be there, sometimes keeping what may not be there.
pub fn puts() -> impl Strategy<Value = Put> + Clone {
    let value = prop_oneof![9 => values().prop_map(Some), 1 => Just(None)];
    let lease = prop_oneof![6 => Just(Some(0)), 3 => select(LEASES).prop_map(Some), 1 => Just(None)];
    (keys(), value, lease, any::<bool>()).prop_map(|(key, value, lease, prev_kv)| Put {
        key,
        value,
        lease,
        prev_kv,
    })
}

/// A delete.
pub fn deletes() -> impl Strategy<Value = DeleteRange> + Clone {
    (key_ranges(), any::<bool>()).prop_map(|(keys, prev_kv)| DeleteRange { keys, prev_kv })
}

/// A comparison, of one key or of many.
pub fn compares(scene: Scene) -> impl Strategy<Value = Compare> + Clone {
    let relation = select(&[Relation::Equal, Relation::Greater, Relation::Less, Relation::NotEqual][..]);
    let operand = prop_oneof![
        2 => (0_i64..4).prop_map(Operand::Version),
        2 => prop_oneof![Just(0), 1..=scene.revision + 1].prop_map(Operand::Create),
        2 => prop_oneof![Just(0), 1..=scene.revision + 1].prop_map(Operand::Mod),
        2 => values().prop_map(Operand::Value),
        1 => prop_oneof![Just(0), select(LEASES)].prop_map(Operand::Lease),
    ];
    (key_ranges(), relation, operand).prop_map(|(keys, result, operand)| Compare { keys, result, operand })
}

/// A transaction with lists of these lengths, and transactions inside, `depth` levels of them.
pub fn txns(scene: Scene, lengths: RangeInclusive<usize>, depth: usize) -> BoxedStrategy<Txn> {
    let nested = (depth > 0).then(|| txns(scene, lengths.clone(), depth - 1).prop_map(Op::Txn).boxed());
    let plain = prop_oneof![
        3 => ranges(scene).prop_map(Op::Range),
        5 => puts().prop_map(Op::Put),
        2 => deletes().prop_map(Op::DeleteRange),
    ];
    let op = match nested {
        Some(nested) => prop_oneof![3 => plain, 1 => nested].boxed(),
        None => plain.boxed(),
    };
    let branch = vec(op, lengths.clone());
    let compares = vec(compares(scene), 0..=*lengths.end().min(&2));
    (compares, branch.clone(), branch)
        .prop_map(|(compares, success, failure)| Txn { compares, success, failure })
        .boxed()
}

/// A transaction of nothing but ranges.
pub fn reading_txns(scene: Scene) -> impl Strategy<Value = Txn> + Clone {
    let branch = vec(ranges(scene).prop_map(Op::Range), 0..4);
    (vec(compares(scene), 0..3), branch.clone(), branch).prop_map(|(compares, success, failure)| Txn {
        compares,
        success,
        failure,
    })
}

/// Something that compacts: at the edges, mostly.
pub fn compactions(scene: Scene) -> impl Strategy<Value = i64> + Clone {
    prop_oneof![3 => edges(scene), 2 => 1..=scene.revision]
}

/// A grant. Ids are asked for again and again; TTLs are few, so that leases end together. What is less than a member's
/// least TTL is raised by it.
pub fn grants() -> impl Strategy<Value = (i64, i64)> + Clone {
    let ttl_secs = prop_oneof![8 => select(&[-1_i64, 0, 1, 2, 2, 3, 5, 10][..]), 1 => select(&[9_000_000_000, 9_000_000_001, i64::MAX][..])];
    (select(LEASES), ttl_secs)
}

/// Any write.
pub fn writes(scene: Scene) -> impl Strategy<Value = Write> + Clone {
    prop_oneof![
        8 => puts().prop_map(Write::Put),
        3 => deletes().prop_map(Write::DeleteRange),
        6 => txns(scene, 0..=3, 2).prop_map(Write::Txn),
        1 => compactions(scene).prop_map(Write::Compact),
        2 => grants().prop_map(|(id, ttl_secs)| Write::LeaseGrant(id, ttl_secs)),
        1 => select(LEASES).prop_map(Write::LeaseRevoke),
    ]
}
