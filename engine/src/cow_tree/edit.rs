//! Writes: shared nodes of the path are copied going down, sums and sizes are corrected going up.

use super::node::{INNER_MAX, Inner, LEAF_MAX, Node, insert_at};
use super::{CowTree, Item, Summary};
use std::sync::Arc;

/// What an insertion did to a node.
enum Inserted<T: Item> {
    /// The key was there: its item before.
    Replaced(T),
    /// The node has one more.
    Fit,
    /// The node was full: this is its new right neighbour and what separates the two.
    Split(T::Separator, Arc<Node<T>>),
}

impl<T: Item> CowTree<T> {
    /// Puts an item in, and returns the one of the same key that it replaces.
    pub(crate) fn insert(&mut self, item: T) -> Option<T> {
        let Some(root) = &mut self.root else {
            self.root = Some(Arc::new(Node::Leaf(vec![item])));
            return None;
        };
        let added = item.summary();
        match insert_into(root, item, added, true) {
            Inserted::Replaced(old) => Some(old),
            Inserted::Fit => None,
            Inserted::Split(separator, right) => {
                let children = vec![root.clone(), right];
                let summaries = children.iter().map(|child| child.summary()).collect();
                *root = Arc::new(Node::Inner(Box::new(Inner {
                    separators: vec![separator],
                    children,
                    summaries,
                })));
                None
            }
        }
    }

    /// Changes the item of `key` in place; its key must stay. `None` where there is no such item.
    pub(crate) fn modify<R>(&mut self, key: T::Key<'_>, change: impl FnOnce(&mut T) -> R) -> Option<R> {
        let root = self.root.as_mut()?;
        modify_in(root, key, change).map(|(result, _, _)| result)
    }

    /// Takes the item of `key` out.
    pub(crate) fn remove(&mut self, key: T::Key<'_>) -> Option<T> {
        // Looked for first: a key that is not there must not copy a path.
        self.get(key)?;
        let root = self.root.as_mut()?;
        let (removed, _) = remove_from(root, key);
        while let Node::Inner(inner) = &**root
            && inner.children.len() == 1
        {
            let only = inner.children[0].clone();
            *root = only;
        }
        if root.len() == 0 {
            self.root = None;
        }
        Some(removed)
    }
}

/// `last` says whether nothing in the tree lies right of this node: there a full node is left full, because keys
/// that come in order would otherwise leave a trail of half-empty ones.
fn insert_into<T: Item>(node: &mut Arc<Node<T>>, item: T, added: T::Summary, last: bool) -> Inserted<T> {
    match Arc::make_mut(node) {
        Node::Leaf(items) => insert_into_leaf(items, item, last),
        Node::Inner(inner) => {
            let at = inner.child_of(item.key());
            let last = last && at + 1 == inner.children.len();
            let inserted = insert_into(&mut inner.children[at], item, added, last);
            inner.summaries[at].add(added);
            match inserted {
                Inserted::Replaced(old) => {
                    inner.summaries[at].subtract(old.summary());
                    Inserted::Replaced(old)
                }
                Inserted::Fit => Inserted::Fit,
                Inserted::Split(separator, child) => {
                    let moved = child.summary();
                    inner.summaries[at].subtract(moved);
                    insert_child(inner, at + 1, separator, child, moved, last)
                }
            }
        }
    }
}

fn insert_into_leaf<T: Item>(items: &mut Vec<T>, item: T, last: bool) -> Inserted<T> {
    let at = match items.binary_search_by(|other| other.compare(item.key())) {
        Ok(at) => return Inserted::Replaced(std::mem::replace(&mut items[at], item)),
        Err(at) => at,
    };
    if items.len() < LEAF_MAX {
        insert_at(items, at, item, LEAF_MAX);
        return Inserted::Fit;
    }
    let right = if last && at == LEAF_MAX {
        vec![item]
    } else {
        let mut right = items.split_off(LEAF_MAX / 2);
        match at.checked_sub(LEAF_MAX / 2) {
            Some(at) if at > 0 => insert_at(&mut right, at, item, LEAF_MAX),
            _ => insert_at(items, at, item, LEAF_MAX),
        }
        right
    };
    let separator = T::separator(items.last().expect("the left half has items"), &right[0]);
    Inserted::Split(separator, Arc::new(Node::Leaf(right)))
}

/// Puts `child` at position `at` (never the first), splitting `inner` where it is full.
fn insert_child<T: Item>(
    inner: &mut Inner<T>,
    at: usize,
    separator: T::Separator,
    child: Arc<Node<T>>,
    summary: T::Summary,
    last: bool,
) -> Inserted<T> {
    let insert = |inner: &mut Inner<T>, at: usize| {
        insert_at(&mut inner.separators, at - 1, separator.clone(), INNER_MAX);
        insert_at(&mut inner.children, at, child.clone(), INNER_MAX);
        insert_at(&mut inner.summaries, at, summary, INNER_MAX);
    };
    if inner.children.len() < INNER_MAX {
        insert(inner, at);
        return Inserted::Fit;
    }
    let keep = if last && at == INNER_MAX { INNER_MAX - 1 } else { INNER_MAX / 2 };
    let mut right = Inner {
        separators: inner.separators.split_off(keep),
        children: inner.children.split_off(keep),
        summaries: inner.summaries.split_off(keep),
    };
    let between =
        inner.separators.pop().expect("a full node has a separator before every child but the first");
    if at > keep {
        insert(&mut right, at - keep);
    } else {
        insert(inner, at);
    }
    Inserted::Split(between, Arc::new(Node::Inner(Box::new(right))))
}

/// The result, and what the changed item added to the sums before and after.
fn modify_in<T: Item, R>(
    node: &mut Arc<Node<T>>,
    key: T::Key<'_>,
    change: impl FnOnce(&mut T) -> R,
) -> Option<(R, T::Summary, T::Summary)> {
    match Arc::make_mut(node) {
        Node::Leaf(items) => {
            let at = items.binary_search_by(|item| item.compare(key)).ok()?;
            let before = items[at].summary();
            let result = change(&mut items[at]);
            assert!(items[at].compare(key).is_eq(), "a change in place must keep the key");
            Some((result, before, items[at].summary()))
        }
        Node::Inner(inner) => {
            let at = inner.child_of(key);
            let changed = modify_in(&mut inner.children[at], key, change)?;
            inner.summaries[at].add(changed.2);
            inner.summaries[at].subtract(changed.1);
            Some(changed)
        }
    }
}

/// Removes an item that is known to be there; also returns what it added to the sums. May leave `node` empty or
/// small: its parent sees to it.
fn remove_from<T: Item>(node: &mut Arc<Node<T>>, key: T::Key<'_>) -> (T, T::Summary) {
    match Arc::make_mut(node) {
        Node::Leaf(items) => {
            let at =
                items.binary_search_by(|item| item.compare(key)).expect("the key was found a moment ago");
            let removed = items.remove(at);
            let summary = removed.summary();
            (removed, summary)
        }
        Node::Inner(inner) => {
            let at = inner.child_of(key);
            let (removed, summary) = remove_from(&mut inner.children[at], key);
            inner.summaries[at].subtract(summary);
            tidy(inner, at);
            (removed, summary)
        }
    }
}

/// Drops child `at` where it is empty, and joins it with a neighbour where both together are small enough to leave
/// room: a node that is split and joined in turns would make every write expensive.
fn tidy<T: Item>(inner: &mut Inner<T>, at: usize) {
    let size = inner.children[at].len();
    if size == 0 {
        inner.children.remove(at);
        inner.summaries.remove(at);
        if !inner.separators.is_empty() {
            inner.separators.remove(at.saturating_sub(1));
        }
        return;
    }
    let max = inner.children[at].capacity();
    if size > max / 4 {
        return;
    }
    let fits = |left: usize| match (inner.children.get(left), inner.children.get(left + 1)) {
        (Some(left), Some(right)) => left.len() + right.len() <= max * 3 / 4,
        _ => false,
    };
    let left = match at.checked_sub(1) {
        Some(before) if fits(before) => before,
        _ if fits(at) => at,
        _ => return,
    };
    let right = inner.children.remove(left + 1);
    let moved = inner.summaries.remove(left + 1);
    let separator = inner.separators.remove(left);
    inner.summaries[left].add(moved);
    let right = Arc::unwrap_or_clone(right);
    match (Arc::make_mut(&mut inner.children[left]), right) {
        (Node::Leaf(items), Node::Leaf(right)) => items.extend(right),
        (Node::Inner(left), Node::Inner(right)) => {
            left.separators.push(separator);
            left.separators.extend(right.separators);
            left.children.extend(right.children);
            left.summaries.extend(right.summaries);
        }
        _ => unreachable!("all leaves are equally deep"),
    }
}
