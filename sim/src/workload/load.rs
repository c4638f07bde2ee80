//! The clients, their roles and their rate: plain data, drawn from the seed.

use crate::random::{Seed, Stream};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Faults end a little after 20 s; no lease of a workload outlives that by much.
const LEASE_TTLS_SECS: &[i64] = &[1, 2, 5];

/// What clients do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// One for each client, who waits for its answer before it asks again.
    pub clients: Vec<Role>,
    /// Keys that all share.
    pub keys: usize,
    /// 0 where all of them are used alike; the higher, the more often the first ones.
    pub skew: u32,
    /// Between an answer and the next request, usually.
    pub think_ms: u64,
    /// Of the requests of registers, in a million: linearizable reads.
    pub reads_per_million: u32,
    /// Deletes.
    pub deletes_per_million: u32,
    /// Puts on condition that the key is as the client last saw it. The rest are puts.
    pub swaps_per_million: u32,
    /// Of all ranges, those that read the member as it is.
    pub serializable_per_million: u32,
    /// Values are so long at most.
    pub value_bytes_max: usize,
    /// How long a client waits for an answer.
    pub patience_ms: u64,
    /// Replies that are lost.
    pub lost_answers_per_million: u32,
    /// How often a client that does not know the outcome asks the same again.
    pub retries_per_million: u32,
    /// Requests that will not wait for a leader.
    pub require_leader_per_million: u32,
    /// Of leases.
    pub lease_ttl_secs: i64,
    /// How long slow watchers leave a response unread.
    pub slow_watch_ms: u64,
    /// Clients that compact disarm the alarm of a store that has outgrown its quota.
    #[serde(default)]
    pub frees_space: bool,
}

/// What one client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads, puts, deletes and swaps one key at a time.
    Registers,
    /// Transactions over several keys, nested ones too.
    Txns,
    /// Adds elements to a set, and reads it.
    Sets,
    /// Reads ranges: limits, orders, filters, counts, old revisions.
    Ranges,
    /// Compacts.
    Compactions,
    /// Watches.
    Watches,
    /// Grants, keeps alive, attaches, revokes, or lets expire.
    Leases,
    /// Waits for a lock, and writes what it guards.
    Locks,
    /// Waits for an election, and proclaims.
    Elections,
    /// Puts elements into a queue, and takes them out.
    Queues,
}

/// Which roles a run may have, how many clients of each at most, and how likely.
const ROLES: [(Role, usize, u32); 10] = [
    (Role::Registers, 3, 700_000),
    (Role::Txns, 2, 400_000),
    (Role::Sets, 2, 250_000),
    (Role::Ranges, 1, 300_000),
    (Role::Compactions, 1, 400_000),
    (Role::Watches, 2, 400_000),
    (Role::Leases, 2, 300_000),
    (Role::Locks, 3, 200_000),
    (Role::Elections, 3, 150_000),
    (Role::Queues, 3, 200_000),
];

impl Load {
    /// The load of a seed.
    pub fn draw(seed: Seed) -> Load {
        let mut stream = seed.stream("swarm/load");
        Load {
            clients: draw_roles(&mut seed.stream("swarm/roles")),
            keys: 1 + stream.index(8),
            skew: stream.pick(&[0, 0, 1, 4]),
            think_ms: stream.pick(&[1, 20, 100]),
            reads_per_million: stream.pick(&[100_000, 300_000, 600_000]),
            deletes_per_million: stream.pick(&[0, 50_000]),
            swaps_per_million: stream.pick(&[0, 100_000]),
            serializable_per_million: stream.pick(&[0, 100_000, 500_000]),
            value_bytes_max: stream.pick(&[16, 16, 300, 1500]),
            patience_ms: stream.pick(&[500, 3000, 8000]),
            lost_answers_per_million: stream.pick(&[0, 0, 10_000]),
            retries_per_million: stream.pick(&[0, 300_000]),
            require_leader_per_million: stream.pick(&[0, 200_000]),
            lease_ttl_secs: stream.pick(LEASE_TTLS_SECS),
            slow_watch_ms: stream.pick(&[0, 0, 300, 3000]),
            frees_space: false,
        }
    }

    /// For a store that outgrows its quota: a client compacts, and disarms.
    pub(crate) fn make_space(&mut self) {
        self.frees_space = true;
        if !self.clients.contains(&Role::Compactions) {
            self.clients.push(Role::Compactions);
        }
    }

    /// Between an answer and the next request, usually.
    pub fn think(&self) -> Duration {
        Duration::from_millis(self.think_ms)
    }

    /// How long a client waits for an answer.
    pub fn patience(&self) -> Duration {
        Duration::from_millis(self.patience_ms)
    }
}

/// At least one client writes registers, or there would be nothing to watch.
fn draw_roles(stream: &mut Stream) -> Vec<Role> {
    let mut roles = vec![if stream.happens(800_000) { Role::Registers } else { Role::Txns }];
    for (role, most, per_million) in ROLES {
        if stream.happens(per_million) {
            let least = usize::from(matches!(role, Role::Locks | Role::Elections | Role::Queues));
            roles.extend(std::iter::repeat_n(role, (1 + least + stream.index(most)).min(3)));
        }
    }
    roles
}
