//! Forward iteration: the path to the present leaf, and the rest of that leaf.

use super::Item;
use super::node::{Inner, Node};
use std::cmp::Ordering;

/// Items in key order.
pub(crate) struct Iter<'a, T: Item> {
    /// Inner nodes from the root down, each with the position of its next child to visit.
    path: Vec<(&'a Inner<T>, usize)>,
    leaf: std::slice::Iter<'a, T>,
}

impl<'a, T: Item> Iter<'a, T> {
    pub(super) fn from_start(root: Option<&'a Node<T>>) -> Self {
        let mut iter = Iter { path: Vec::new(), leaf: [].iter() };
        if let Some(root) = root {
            iter.descend(root);
        }
        iter
    }

    pub(super) fn from_key(root: Option<&'a Node<T>>, key: T::Key<'_>) -> Self {
        let mut iter = Iter { path: Vec::new(), leaf: [].iter() };
        let Some(mut node) = root else { return iter };
        loop {
            match node {
                Node::Inner(inner) => {
                    let at = inner.child_of(key);
                    iter.path.push((inner, at + 1));
                    node = &inner.children[at];
                }
                Node::Leaf(items) => {
                    let first = items.partition_point(|item| item.compare(key) == Ordering::Less);
                    iter.leaf = items[first..].iter();
                    return iter;
                }
            }
        }
    }

    /// The next item whose summary is wanted. What is under a node whose own is not is passed over without a look at it.
    pub(crate) fn next_with(&mut self, is_wanted: impl Fn(T::Summary) -> bool) -> Option<&'a T> {
        loop {
            if let Some(item) = self.leaf.find(|item| is_wanted(item.summary())) {
                return Some(item);
            }
            let (inner, next) = self.path.last_mut()?;
            match (*next..inner.children.len()).find(|at| is_wanted(inner.summaries[*at])) {
                Some(at) => {
                    *next = at + 1;
                    match &*inner.children[at] {
                        Node::Inner(child) => self.path.push((child, 0)),
                        Node::Leaf(items) => self.leaf = items.iter(),
                    }
                }
                None => {
                    self.path.pop();
                }
            }
        }
    }

    /// Makes the first leaf under `node` the present one.
    fn descend(&mut self, mut node: &'a Node<T>) {
        loop {
            match node {
                Node::Inner(inner) => {
                    self.path.push((inner, 1));
                    node = &inner.children[0];
                }
                Node::Leaf(items) => {
                    self.leaf = items.iter();
                    return;
                }
            }
        }
    }
}

impl<'a, T: Item> Iterator for Iter<'a, T> {
    type Item = &'a T;

    fn next(&mut self) -> Option<&'a T> {
        loop {
            if let Some(item) = self.leaf.next() {
                return Some(item);
            }
            let (inner, next) = self.path.last_mut()?;
            match inner.children.get(*next) {
                Some(child) => {
                    *next += 1;
                    self.descend(child);
                }
                None => {
                    self.path.pop();
                }
            }
        }
    }
}
