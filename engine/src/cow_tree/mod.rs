//! An ordered tree whose copies are free: the shape of everything that is both written and read at once.
//!
//! A clone of a tree is one reference count. A write changes nodes in place while nobody else holds them, and
//! copies the path from the root to one leaf where a clone does; so a view taken before a write stays what it was,
//! and a store that nobody looks at pays nothing for the possibility. Nodes are plain sorted vectors:
//!
//! ```text
//!            inner   separators  [  f  |  p  ]          a child left of a separator holds only keys below it
//!                    children   [ * | * | * ]
//!                    summaries  [ 3 | 2 | 4 ]           what the items under a child add up to
//!                      /        |        \
//!      leaf [a b d]      leaf [f k]     leaf [p q x z]
//! ```
//!
//! A *summary* is a sum over items, of anything that can be added and subtracted (how many keys are live, how much
//! would be forgotten by a compaction): the summary of everything below a key costs one walk from the root.
//!
//! A node with many items makes reads short and copies long; 32 items and 64 children are where a put after a
//! view costs about as much as the put itself. Depth never exceeds a handful, so that recursion, also that of
//! dropping a tree, is bounded by it.

mod edit;
mod iter;
mod node;
#[cfg(test)]
pub(crate) mod random;
#[cfg(test)]
mod tests;

pub(crate) use iter::Iter;
use node::Node;
use std::cmp::Ordering;
use std::sync::Arc;

/// What a tree holds: something with a key. Cloning must be cheap, for the copied path does it.
pub(crate) trait Item: Clone {
    /// The key by which items are ordered; one item a key.
    type Key<'a>: Copy
    where
        Self: 'a;
    /// What is kept in inner nodes to tell two neighbours apart.
    type Separator: Clone;
    /// What items add up to.
    type Summary: Summary;

    /// This item's key.
    fn key(&self) -> Self::Key<'_>;
    /// How this item's key compares with `key`.
    fn compare(&self, key: Self::Key<'_>) -> Ordering;
    /// Something above `left` and not above `right`, the shorter the better.
    fn separator(left: &Self, right: &Self) -> Self::Separator;
    /// How a separator compares with `key`.
    fn compare_separator(separator: &Self::Separator, key: Self::Key<'_>) -> Ordering;
    /// What this item adds to the sums above it. Must depend on nothing but the item.
    fn summary(&self) -> Self::Summary;
}

/// A sum over items. Subtracting what was added must give back what was there.
pub(crate) trait Summary: Copy + Default {
    /// Adds `other`.
    fn add(&mut self, other: Self);
    /// Takes `other` away again.
    fn subtract(&mut self, other: Self);
}

impl Summary for () {
    fn add(&mut self, (): ()) {}
    fn subtract(&mut self, (): ()) {}
}

impl Summary for u64 {
    fn add(&mut self, other: u64) {
        *self += other;
    }
    fn subtract(&mut self, other: u64) {
        *self -= other;
    }
}

/// The tree. One pointer; a clone shares everything until one of the two is written.
pub(crate) struct CowTree<T: Item> {
    root: Option<Arc<Node<T>>>,
}

impl<T: Item> Clone for CowTree<T> {
    fn clone(&self) -> Self {
        CowTree { root: self.root.clone() }
    }
}

impl<T: Item> Default for CowTree<T> {
    fn default() -> Self {
        CowTree { root: None }
    }
}

impl<T: Item> CowTree<T> {
    /// Whether there is no item.
    pub(crate) fn is_empty(&self) -> bool {
        self.root.is_none()
    }

    /// The item of `key`.
    pub(crate) fn get(&self, key: T::Key<'_>) -> Option<&T> {
        let mut node = self.root.as_deref()?;
        loop {
            match node {
                Node::Inner(inner) => node = &inner.children[inner.child_of(key)],
                Node::Leaf(items) => {
                    return items.binary_search_by(|item| item.compare(key)).ok().map(|at| &items[at]);
                }
            }
        }
    }

    /// The item with the smallest key.
    pub(crate) fn first(&self) -> Option<&T> {
        self.iter().next()
    }

    /// The item with the largest key.
    pub(crate) fn last(&self) -> Option<&T> {
        self.root.as_deref().map(Node::last)
    }

    /// The item with the largest key below `key`.
    pub(crate) fn last_before(&self, key: T::Key<'_>) -> Option<&T> {
        let mut node = self.root.as_deref()?;
        // The nearest subtree wholly below `key`: the answer where the leaf on the way to `key` has none below it.
        let mut left: Option<&Node<T>> = None;
        loop {
            match node {
                Node::Inner(inner) => {
                    let at = inner.child_of(key);
                    if at > 0 {
                        left = Some(&inner.children[at - 1]);
                    }
                    node = &inner.children[at];
                }
                Node::Leaf(items) => {
                    let below = items.partition_point(|item| item.compare(key) == Ordering::Less);
                    return match below {
                        0 => left.map(Node::last),
                        _ => Some(&items[below - 1]),
                    };
                }
            }
        }
    }

    /// All items, smallest key first.
    pub(crate) fn iter(&self) -> Iter<'_, T> {
        Iter::from_start(self.root.as_deref())
    }

    /// The items whose keys are not below `key`, smallest first.
    pub(crate) fn iter_from(&self, key: T::Key<'_>) -> Iter<'_, T> {
        Iter::from_key(self.root.as_deref(), key)
    }

    /// What all items add up to.
    pub(crate) fn summary(&self) -> T::Summary {
        self.root.as_deref().map(Node::summary).unwrap_or_default()
    }

    /// What the items below `key` add up to.
    pub(crate) fn summary_before(&self, key: T::Key<'_>) -> T::Summary {
        let mut sum = T::Summary::default();
        let Some(mut node) = self.root.as_deref() else { return sum };
        loop {
            match node {
                Node::Inner(inner) => {
                    let at = inner.child_of(key);
                    inner.summaries[..at].iter().for_each(|part| sum.add(*part));
                    node = &inner.children[at];
                }
                Node::Leaf(items) => {
                    let below = items.iter().take_while(|item| item.compare(key) == Ordering::Less);
                    below.for_each(|item| sum.add(item.summary()));
                    return sum;
                }
            }
        }
    }
}
