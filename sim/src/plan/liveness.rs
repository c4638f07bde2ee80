//! The liveness phase, which follows the faults: a quorum, chosen at random, is up and connected, and the rest is down
//! or behind links that carry nothing. All clients must be served by that quorum. Case files and the stream of chance
//! have an older name for it, `aftermath`.

use super::draw::{Targets, shape};
use crate::network::Link;
use crate::random::Seed;
use serde::{Deserialize, Serialize};

/// Nothing, where `rest` is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Liveness {
    /// The members outside the quorum.
    pub rest: Vec<usize>,
    /// Those of them that are down.
    pub down: Vec<usize>,
    /// Links of theirs that carry nothing.
    pub cut: Vec<Link>,
}

impl Liveness {
    /// In half of all runs nothing is left failed.
    pub(super) fn draw(seed: Seed, targets: &Targets) -> Liveness {
        let mut stream = seed.stream("plan/aftermath");
        if targets.fragile.is_empty() || stream.happens(500_000) {
            return Liveness::default();
        }
        let mut rest = targets.fragile.clone();
        rest.truncate(1 + stream.index(rest.len()));
        let down: Vec<usize> = rest.iter().copied().filter(|_| stream.happens(400_000)).collect();
        let touches = |link: &Link| rest.contains(&link.from) || rest.contains(&link.to);
        let cut = shape(targets.members, &mut stream).into_iter().filter(touches).collect();
        Liveness { rest, down, cut }
    }

    pub(super) fn check(&self, members: usize) -> Result<(), String> {
        let Liveness { rest, down, cut } = self;
        if let Some(member) = rest.iter().find(|member| **member >= members) {
            return Err(format!(
                "plan.aftermath.rest: member {member} of a cluster of {members}, counted from 0"
            ));
        }
        if let Some(member) = down.iter().find(|member| !rest.contains(member)) {
            return Err(format!("plan.aftermath.down: member {member} is not in rest, {rest:?}"));
        }
        let touches = |link: &&Link| !rest.contains(&link.from) && !rest.contains(&link.to);
        if let Some(Link { from, to }) = cut.iter().find(touches) {
            return Err(format!("plan.aftermath.cut: neither {from} nor {to} is in rest, {rest:?}"));
        }
        let strange = cut.iter().find(|link| link.from.max(link.to) >= members);
        match strange {
            Some(Link { from, to }) => Err(format!(
                "plan.aftermath.cut: a link from {from} to {to} in a cluster of {members}, counted from 0"
            )),
            None => Ok(()),
        }
    }
}
