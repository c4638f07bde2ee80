//! A link: one direction between two members, named by their places.

use serde::{Deserialize, Serialize};

/// One direction between two members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// Who sends.
    pub from: usize,
    /// Who receives.
    pub to: usize,
}

impl Link {
    /// Every direction between any two of so many members.
    pub fn all(members: usize) -> impl Iterator<Item = Link> {
        let pairs = (0..members).flat_map(move |from| (0..members).map(move |to| Link { from, to }));
        pairs.filter(|link| link.from != link.to)
    }
}
