//! Which watchers a key concerns.
//!
//! Watchers of one key are found by that key. Watchers of a span are kept in an interval tree: a search tree ordered
//! by the spans' starts in which every node knows the furthest end below it, so that a search turns away from every
//! subtree that ends before the key. Watchers of the same span share a node. The tree is a treap: each node draws a
//! priority from the seed and heap order of priorities keeps the depth logarithmic, whatever order spans come in and
//! whoever chooses them; unlike rotations' case lists, split and merge are ten lines each.
//!
//! Finding costs O(log spans + matches log spans), adding and removing O(log spans).

use crate::key_range::KeyRange;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// Names a watcher inside the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot(pub(super) u32);

/// Where a span ends. `Never` is beyond every key, as the order of the variants says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Before(Bytes),
    Never,
}

impl End {
    fn is_after(&self, key: &[u8]) -> bool {
        match self {
            End::Before(end) => key < end.as_ref(),
            End::Never => true,
        }
    }
}

type Link = Option<Box<Node>>;

#[derive(Debug)]
struct Node {
    start: Bytes,
    end: End,
    slots: BTreeSet<Slot>,
    priority: u64,
    /// The furthest end of this node and all below it.
    end_max: End,
    left: Link,
    right: Link,
}

/// Ranges and the watchers of each.
#[derive(Debug)]
pub(super) struct RangeMap {
    keys: BTreeMap<Bytes, BTreeSet<Slot>>,
    spans: Link,
    priorities: u64,
}

impl RangeMap {
    pub(super) fn new(seed: u64) -> RangeMap {
        RangeMap { keys: BTreeMap::new(), spans: None, priorities: seed }
    }

    /// Adds a watcher of a range that is not empty.
    pub(super) fn insert(&mut self, range: &KeyRange, slot: Slot) {
        assert!(!range.is_empty(), "a watcher of the empty range {range:?}");
        let is_new = match span(range) {
            Err(key) => self.keys.entry(key.clone()).or_default().insert(slot),
            Ok((start, end)) => {
                let priority = next_random(&mut self.priorities);
                let (below, same, above) = cut_out(self.spans.take(), start, &end);
                let mut node = same.unwrap_or_else(|| Node::new(start.clone(), end, priority));
                let is_new = node.slots.insert(slot);
                self.spans = merge(merge(below, Some(node)), above);
                is_new
            }
        };
        assert!(is_new, "watcher {slot:?} added twice to {range:?}");
    }

    /// Takes a watcher out again.
    pub(super) fn remove(&mut self, range: &KeyRange, slot: Slot) {
        let was_there = match span(range) {
            Err(key) => {
                let slots = self.keys.get_mut(key);
                let (was_there, is_last) =
                    slots.map_or((false, false), |slots| (slots.remove(&slot), slots.is_empty()));
                if is_last {
                    self.keys.remove(key);
                }
                was_there
            }
            Ok((start, end)) => {
                let (below, mut same, above) = cut_out(self.spans.take(), start, &end);
                let was_there = same.as_mut().is_some_and(|node| node.slots.remove(&slot));
                let kept = same.filter(|node| !node.slots.is_empty());
                self.spans = merge(merge(below, kept), above);
                was_there
            }
        };
        assert!(was_there, "watcher {slot:?} of {range:?} is not there to be removed");
    }

    /// Calls `found` with each watcher whose range has the key in it.
    pub(super) fn for_each(&self, key: &[u8], found: &mut impl FnMut(Slot)) {
        self.keys.get(key).into_iter().flatten().copied().for_each(&mut *found);
        visit(self.spans.as_deref(), key, found);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.spans.is_none()
    }
}

/// A span's start and end, or the one key.
fn span(range: &KeyRange) -> Result<(&Bytes, End), &Bytes> {
    match range {
        KeyRange::One(key) => Err(key),
        KeyRange::Span { start, end } => Ok((start, End::Before(end.clone()))),
        KeyRange::From(start) => Ok((start, End::Never)),
    }
}

impl Node {
    fn new(start: Bytes, end: End, priority: u64) -> Box<Node> {
        let end_max = end.clone();
        Box::new(Node { start, end, slots: BTreeSet::new(), priority, end_max, left: None, right: None })
    }

    fn measure(&mut self) {
        let below = [&self.left, &self.right].into_iter().flatten().map(|node| &node.end_max);
        self.end_max = below.chain([&self.end]).max().expect("the node's own end is there").clone();
    }
}

fn visit(node: Option<&Node>, key: &[u8], found: &mut impl FnMut(Slot)) {
    let Some(node) = node.filter(|node| node.end_max.is_after(key)) else { return };
    visit(node.left.as_deref(), key, found);
    if node.start.as_ref() <= key {
        if node.end.is_after(key) {
            node.slots.iter().copied().for_each(&mut *found);
        }
        visit(node.right.as_deref(), key, found);
    }
}

/// Splits a tree around one span: what is ordered before it, the node itself (childless), what is ordered after.
fn cut_out(tree: Link, start: &Bytes, end: &End) -> (Link, Option<Box<Node>>, Link) {
    let Some(mut node) = tree else { return (None, None, None) };
    match (start, end).cmp(&(&node.start, &node.end)) {
        std::cmp::Ordering::Equal => {
            let (left, right) = (node.left.take(), node.right.take());
            node.measure();
            (left, Some(node), right)
        }
        std::cmp::Ordering::Less => {
            let (below, same, above) = cut_out(node.left.take(), start, end);
            node.left = above;
            node.measure();
            (below, same, Some(node))
        }
        std::cmp::Ordering::Greater => {
            let (below, same, above) = cut_out(node.right.take(), start, end);
            node.right = below;
            node.measure();
            (Some(node), same, above)
        }
    }
}

/// Joins two trees, all of `below` ordered before all of `above`.
fn merge(below: Link, above: Link) -> Link {
    match (below, above) {
        (tree, None) | (None, tree) => tree,
        (Some(mut below), Some(mut above)) => Some(if below.priority >= above.priority {
            below.right = merge(below.right.take(), Some(above));
            below.measure();
            below
        } else {
            above.left = merge(Some(below), above.left.take());
            above.measure();
            above
        }),
    }
}

/// SplitMix64 (Steele, Lea and Flood 2014): the next of a sequence that its seed decides.
pub(super) fn next_random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
