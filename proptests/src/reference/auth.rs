//! Users, roles and what they may touch, as sets of keys.
//!
//! A permission opens a set of keys, and a request touches one. Over all keys that there are in a small world
//! (`World::keys`) both can be written down, and whether one lies within the others is looked up key by key: no interval
//! is merged or compared. A world's keys are all strings of up to so many bytes of its alphabet; ranges that begin and
//! end in shorter ones differ, where they differ at all, in one of its keys.

use super::KeyRange;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// What a permission opens its keys for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Opens {
    /// Reading.
    Read,
    /// Writing.
    Write,
    /// Both.
    Both,
}

/// All keys there are.
#[derive(Clone, Debug)]
pub struct World {
    keys: Vec<Bytes>,
}

impl World {
    /// Every string of 1 to `length_max` of these bytes, in order.
    pub fn of(alphabet: &[u8], length_max: usize) -> World {
        let mut keys: BTreeSet<Bytes> = BTreeSet::new();
        let mut longest: Vec<Vec<u8>> = vec![Vec::new()];
        for _ in 0..length_max {
            longest = longest
                .iter()
                .flat_map(|key| alphabet.iter().map(move |byte| [key.as_slice(), &[*byte]].concat()))
                .collect();
            keys.extend(longest.iter().cloned().map(Bytes::from));
        }
        World { keys: keys.into_iter().collect() }
    }

    /// In order.
    pub fn keys(&self) -> &[Bytes] {
        &self.keys
    }
}

/// Users and roles.
#[derive(Clone, Debug, Default)]
pub struct Auth {
    /// Auth is on.
    pub enabled: bool,
    /// Each user's roles.
    pub users: BTreeMap<String, BTreeSet<String>>,
    /// Each role's permissions.
    pub roles: BTreeMap<String, Vec<(Opens, KeyRange)>>,
    /// How often anything of this changed, from 1.
    pub revision: u64,
}

impl Auth {
    /// Why this user, whose proof is of that revision, may not read (or write) these keys; `None` where it may. Nobody has
    /// no name.
    pub fn refusal(
        &self,
        world: &World,
        user: Option<(&str, u64)>,
        is_write: bool,
        asked: &KeyRange,
    ) -> Option<&'static str> {
        if !self.enabled {
            return None;
        }
        let Some((name, revision)) = user else { return Some("etcdserver: user name is empty") };
        if revision < self.revision {
            return Some("etcdserver: revision of auth store is old");
        }
        let Some(roles) = self.users.get(name) else { return Some("etcdserver: permission denied") };
        if roles.contains("root") || self.covers(world, roles, is_write, asked) {
            None
        } else {
            Some("etcdserver: permission denied")
        }
    }

    fn covers(&self, world: &World, roles: &BTreeSet<String>, is_write: bool, asked: &KeyRange) -> bool {
        let unwanted = if is_write { Opens::Read } else { Opens::Write };
        let opened_by = |role: &String| -> Vec<&KeyRange> {
            let permissions = self.roles.get(role).into_iter().flatten();
            permissions.filter(|(opens, _)| *opens != unwanted).map(|(_, keys)| keys).collect()
        };
        let granted: Vec<Vec<&KeyRange>> = roles.iter().map(opened_by).collect();
        let has = |granted: &[&KeyRange], key: &Bytes| granted.iter().any(|keys| keys.contains(key));
        let is_empty = !asked.is_endless() && !asked.range_end.is_empty() && asked.range_end <= asked.key;
        if !is_empty {
            return world
                .keys
                .iter()
                .filter(|key| asked.contains(key))
                .all(|key| granted.iter().any(|granted| has(granted, key)));
        }
        // A range without keys: what one role is granted goes on from just below its end to its start at least.
        let Some(below) = world.keys.iter().rfind(|key| **key < asked.range_end) else { return false };
        let between = || world.keys.iter().filter(|key| *key >= below && **key <= asked.key);
        granted.iter().any(|granted| between().all(|key| has(granted, key)))
    }
}
