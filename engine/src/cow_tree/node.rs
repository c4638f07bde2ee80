//! The two kinds of node, and what can be said of one without its parent.

use super::{Item, Summary};
use std::cmp::Ordering;
use std::sync::Arc;

/// Most items of a leaf.
pub(super) const LEAF_MAX: usize = 32;
/// Most children of an inner node.
pub(super) const INNER_MAX: usize = 64;

/// A node: never empty.
#[derive(Clone)]
pub(super) enum Node<T: Item> {
    /// Items, in key order.
    Leaf(Vec<T>),
    /// Children, in key order. Boxed: leaves, which are most nodes, stay small.
    Inner(Box<Inner<T>>),
}

/// Children and what stands between them.
#[derive(Clone)]
pub(super) struct Inner<T: Item> {
    /// `separators[i]` is above every key under `children[i]` and not above any under `children[i + 1]`.
    pub(super) separators: Vec<T::Separator>,
    /// One more than separators.
    pub(super) children: Vec<Arc<Node<T>>>,
    /// What the items under each child add up to.
    pub(super) summaries: Vec<T::Summary>,
}

impl<T: Item> Inner<T> {
    /// The position of the only child that may hold `key`.
    pub(super) fn child_of(&self, key: T::Key<'_>) -> usize {
        self.separators.partition_point(|separator| T::compare_separator(separator, key) != Ordering::Greater)
    }
}

impl<T: Item> Node<T> {
    /// How many items or children.
    pub(super) fn len(&self) -> usize {
        match self {
            Node::Leaf(items) => items.len(),
            Node::Inner(inner) => inner.children.len(),
        }
    }

    /// How many there may be.
    pub(super) fn capacity(&self) -> usize {
        match self {
            Node::Leaf(_) => LEAF_MAX,
            Node::Inner(_) => INNER_MAX,
        }
    }

    /// What the items under this node add up to.
    pub(super) fn summary(&self) -> T::Summary {
        let mut sum = T::Summary::default();
        match self {
            Node::Leaf(items) => items.iter().for_each(|item| sum.add(item.summary())),
            Node::Inner(inner) => inner.summaries.iter().for_each(|part| sum.add(*part)),
        }
        sum
    }

    /// The item with the largest key.
    pub(super) fn last(&self) -> &T {
        let mut node = self;
        loop {
            match node {
                Node::Leaf(items) => return items.last().expect("no node is empty"),
                Node::Inner(inner) => node = inner.children.last().expect("no node is empty"),
            }
        }
    }
}

/// Inserts into one of a node's vectors without ever reserving more than a full node needs: `Vec` alone would
/// double a copied vector past it.
pub(super) fn insert_at<E>(elements: &mut Vec<E>, at: usize, element: E, max: usize) {
    let length = elements.len();
    assert!(length < max, "a node of {length} is full at {max}");
    if length == elements.capacity() {
        elements.reserve_exact((length / 2).max(2).min(max - length));
    }
    elements.insert(at, element);
}
