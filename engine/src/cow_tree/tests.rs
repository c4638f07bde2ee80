//! The tree against the standard library's, on pseudo-random edits; and clones that must not notice them.

use super::node::{INNER_MAX, LEAF_MAX, Node};
use super::random::Random;
use super::{CowTree, Item};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Bound;

/// A number with a weight.
#[derive(Clone, Debug, PartialEq)]
struct Entry {
    key: i64,
    weight: u64,
}

impl Item for Entry {
    type Key<'a> = i64;
    type Separator = i64;
    type Summary = u64;

    fn key(&self) -> i64 {
        self.key
    }
    fn compare(&self, key: i64) -> Ordering {
        self.key.cmp(&key)
    }
    fn separator(left: &Entry, right: &Entry) -> i64 {
        // Anything between will do; the middle finds code that takes separators for keys.
        left.key + (right.key - left.key + 1) / 2
    }
    fn compare_separator(separator: &i64, key: i64) -> Ordering {
        separator.cmp(&key)
    }
    fn summary(&self) -> u64 {
        self.weight
    }
}

type Model = BTreeMap<i64, u64>;

/// Everything a tree can be asked, against the model; and that its nodes are as they must be.
fn assert_same(tree: &CowTree<Entry>, model: &Model, random: &mut Random, bound: i64) {
    let items: Vec<(i64, u64)> = tree.iter().map(|entry| (entry.key, entry.weight)).collect();
    assert_eq!(items, model.iter().map(|(key, weight)| (*key, *weight)).collect::<Vec<_>>());
    assert_eq!(tree.is_empty(), model.is_empty());
    let mut wanted = tree.iter_from(bound / 3);
    let found = std::iter::from_fn(|| wanted.next_with(|weight| weight > 0)).map(|entry| entry.key);
    let expected = model.range(bound / 3..).filter(|(_, weight)| **weight > 0).map(|(key, _)| *key);
    assert_eq!(found.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    assert_eq!(tree.summary(), model.values().sum::<u64>());
    assert_eq!(tree.first().map(|entry| entry.key), model.keys().next().copied());
    assert_eq!(tree.last().map(|entry| entry.key), model.keys().next_back().copied());
    for _ in 0..20 {
        let key = random.below(bound as u64 + 2) as i64 - 1;
        assert_eq!(tree.get(key).map(|entry| entry.weight), model.get(&key).copied(), "get {key}");
        let below = model.range((Bound::Unbounded, Bound::Excluded(key)));
        assert_eq!(
            tree.summary_before(key),
            below.clone().map(|(_, weight)| weight).sum::<u64>(),
            "sum {key}"
        );
        assert_eq!(
            tree.last_before(key).map(|entry| entry.key),
            below.last().map(|(key, _)| *key),
            "last {key}"
        );
        let page: Vec<i64> = tree.iter_from(key).take(70).map(|entry| entry.key).collect();
        assert_eq!(page, model.range(key..).take(70).map(|(key, _)| *key).collect::<Vec<_>>(), "from {key}");
    }
    if let Some(root) = tree.root.as_deref() {
        check_node(root, i64::MIN, i64::MAX);
    }
}

/// Sizes, order, separators and summaries of a node; returns its height.
fn check_node(node: &Node<Entry>, from: i64, to: i64) -> usize {
    match node {
        Node::Leaf(items) => {
            assert!((1..=LEAF_MAX).contains(&items.len()), "a leaf of {}", items.len());
            assert!(items.windows(2).all(|pair| pair[0].key < pair[1].key));
            assert!(items.iter().all(|item| (from..to).contains(&item.key)));
            0
        }
        Node::Inner(inner) => {
            let count = inner.children.len();
            assert!((1..=INNER_MAX).contains(&count), "an inner node of {count}");
            assert_eq!((inner.separators.len() + 1, inner.summaries.len()), (count, count));
            let bounds: Vec<i64> = std::iter::once(from)
                .chain(inner.separators.iter().copied())
                .chain(std::iter::once(to))
                .collect();
            let mut heights = Vec::new();
            for (at, child) in inner.children.iter().enumerate() {
                assert_eq!(child.summary(), inner.summaries[at], "the summary of child {at}");
                heights.push(check_node(child, bounds[at], bounds[at + 1]));
            }
            assert!(
                heights.windows(2).all(|pair| pair[0] == pair[1]),
                "all leaves are equally deep: {heights:?}"
            );
            heights[0] + 1
        }
    }
}

/// Random edits of one tree; clones taken on the way are compared with what they were at the end.
fn edit_at_random(seed: u64, bound: i64, edits: usize, removals_in_ten: u64) {
    let mut random = Random(seed);
    let (mut tree, mut model) = (CowTree::<Entry>::default(), Model::new());
    let mut clones: Vec<(CowTree<Entry>, Model)> = Vec::new();
    for edit in 0..edits {
        let key = random.below(bound as u64) as i64;
        let weight = random.below(3);
        if random.below(10) < removals_in_ten {
            let removed = tree.remove(key).map(|entry| entry.weight);
            assert_eq!(removed, model.remove(&key), "seed {seed} edit {edit}: remove {key}");
        } else if random.below(4) == 0 {
            let changed = tree.modify(key, |entry| std::mem::replace(&mut entry.weight, weight));
            let expected = model.get_mut(&key).map(|old| std::mem::replace(old, weight));
            assert_eq!(changed, expected, "seed {seed} edit {edit}: modify {key}");
        } else {
            let replaced = tree.insert(Entry { key, weight }).map(|entry| entry.weight);
            assert_eq!(replaced, model.insert(key, weight), "seed {seed} edit {edit}: insert {key}");
        }
        if edit % (edits / 8) == 0 {
            clones.push((tree.clone(), model.clone()));
            assert_same(&tree, &model, &mut random, bound);
        }
    }
    assert_same(&tree, &model, &mut random, bound);
    clones.iter().for_each(|(tree, model)| assert_same(tree, model, &mut random, bound));
}

#[test]
fn random_edits_agree_with_the_standard_tree_and_clones_stay_what_they_were() {
    edit_at_random(1, 40, 2_000, 5);
    edit_at_random(2, 5_000, 20_000, 3);
    edit_at_random(3, 5_000, 20_000, 6);
    edit_at_random(4, 1_000_000, 20_000, 2);
}

#[test]
fn ordered_inserts_fill_their_nodes_and_ordered_removals_empty_the_tree() {
    for reverse in [false, true] {
        let (mut tree, mut model) = (CowTree::<Entry>::default(), Model::new());
        let order = |at: i64| if reverse { 9_999 - at } else { at };
        for at in 0..10_000 {
            tree.insert(Entry { key: order(at), weight: 1 });
            model.insert(order(at), 1);
        }
        let mut random = Random(5);
        assert_same(&tree, &model, &mut random, 10_000);
        if !reverse {
            let mut node = tree.root.as_deref().expect("there are items");
            while let Node::Inner(inner) = node {
                assert!(inner.children[..inner.children.len() - 1].iter().all(|child| match &**child {
                    Node::Leaf(items) => items.len() == LEAF_MAX,
                    Node::Inner(inner) => inner.children.len() == INNER_MAX - 1,
                }));
                node = &inner.children[0];
            }
        }
        for at in 0..10_000 {
            assert!(tree.remove(order(at)).is_some(), "{at}");
            model.remove(&order(at));
            if at % 1_999 == 0 {
                assert_same(&tree, &model, &mut random, 10_000);
            }
        }
        assert!(tree.is_empty());
    }
}

#[test]
fn a_write_shares_all_nodes_but_one_path_with_a_clone() {
    let mut tree = CowTree::<Entry>::default();
    (0..10_000).for_each(|key| {
        tree.insert(Entry { key, weight: 1 });
    });
    let clone = tree.clone();
    tree.modify(5_000, |entry| entry.weight = 2);
    let leaves = |tree: &CowTree<Entry>| {
        let mut found = Vec::new();
        let mut nodes = vec![tree.root.clone().expect("there are items")];
        while let Some(node) = nodes.pop() {
            match &*node {
                Node::Leaf(_) => found.push(std::sync::Arc::as_ptr(&node)),
                Node::Inner(inner) => nodes.extend(inner.children.iter().cloned()),
            }
        }
        found
    };
    let (before, after) = (leaves(&clone), leaves(&tree));
    assert_eq!(before.len(), after.len());
    assert_eq!(before.iter().zip(&after).filter(|(before, after)| before != after).count(), 1);
    assert_eq!((clone.summary(), tree.summary()), (10_000, 10_001));
}

#[test]
fn nodes_without_anything_wanted_are_passed_over() {
    let mut tree = CowTree::<Entry>::default();
    for key in 0..20_000 {
        tree.insert(Entry { key, weight: u64::from(key % 3_000 == 7) });
    }
    let looks = std::cell::Cell::new(0);
    let is_wanted = |weight| {
        looks.set(looks.get() + 1);
        weight > 0
    };
    let mut wanted = tree.iter_from(8);
    let found = std::iter::from_fn(|| wanted.next_with(is_wanted)).map(|entry| entry.key);
    assert_eq!(found.collect::<Vec<_>>(), [3_007, 6_007, 9_007, 12_007, 15_007, 18_007]);
    assert!(looks.get() < 2_000, "{} looks at items and nodes", looks.get());
}
