//! Everything replicated. `apply` is the only function that changes it.

mod apply;
mod authorize;

use crate::auth::Auth;
use crate::codec::Encode;
use crate::command::put_alarm;
use crate::dedup_window::DedupWindow;
use crate::ids::{ClusterId, CommandId, MemberId};
use crate::lease::{LeaseView, Lessor};
use crate::membership::{InitialCluster, Member};
use crate::mvcc::{Store, View};
use crate::request::Alarm;
use std::collections::{BTreeMap, BTreeSet};
use twox_hash::XxHash3_128;

pub use apply::TokenChange;
pub(crate) use apply::{Applied, Effect, LeaseChange, Outcome, grows};

/// The largest TTL, in seconds (etcd's `MaxLeaseTTL`).
pub const LEASE_TTL_SECS_MAX: i64 = 9_000_000_000;

/// Where the first state of every cluster stands in the log: as if one entry of term 1 had made it.
pub const FIRST_INDEX: u64 = 1;

/// The replicated state of a member.
#[derive(Clone, Debug)]
pub struct State {
    pub(crate) cluster: ClusterId,
    pub(crate) mvcc: Store,
    pub(crate) leases: Lessor,
    pub(crate) alarms: BTreeSet<Alarm>,
    pub(crate) members: BTreeMap<MemberId, Member>,
    pub(crate) auth: Auth,
    pub(crate) window: DedupWindow,
    /// Index and term of the last entry applied.
    pub(crate) applied: (u64, u64),
}

/// A cheap, unchanging copy of the state, for snapshots written while puts go on.
#[derive(Clone, Debug)]
pub struct StateView {
    pub(crate) cluster: ClusterId,
    pub(crate) mvcc: View,
    pub(crate) leases: LeaseView,
    pub(crate) alarms: BTreeSet<Alarm>,
    pub(crate) members: BTreeMap<MemberId, Member>,
    pub(crate) auth: Auth,
    pub(crate) window: DedupWindow,
    pub(crate) applied: (u64, u64),
    pub(crate) hash: u128,
}

impl StateView {
    /// The store.
    pub fn store(&self) -> &View {
        &self.mvcc
    }
}

impl State {
    /// The state that every member of a new cluster starts from.
    pub fn first(cluster: &InitialCluster) -> State {
        State {
            cluster: cluster.id,
            mvcc: Store::new(),
            leases: Lessor::default(),
            alarms: BTreeSet::new(),
            members: cluster.members.clone(),
            auth: Auth::default(),
            window: DedupWindow::default(),
            applied: (FIRST_INDEX, 1),
        }
    }

    /// Index and term of the last entry applied.
    pub fn applied(&self) -> (u64, u64) {
        self.applied
    }

    /// The cluster it belongs to.
    pub fn cluster(&self) -> ClusterId {
        self.cluster
    }

    /// The members, by id.
    pub fn members(&self) -> &BTreeMap<MemberId, Member> {
        &self.members
    }

    /// Users, roles and permissions.
    pub fn auth(&self) -> &Auth {
        &self.auth
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.mvcc
    }

    /// What members compare at every applied index. How far the physical work of a compaction has come is not in it.
    pub fn hash(&self) -> u128 {
        let mut small = Vec::new();
        small.put_u64_field(self.cluster.0);
        small.put_u64_field(self.applied.0);
        small.put_u64_field(self.applied.1);
        put_alarms(&mut small, &self.alarms);
        put_members(&mut small, &self.members);
        self.auth.put_summary(&mut small);
        small.extend_from_slice(&self.auth.sum().to_le_bytes());
        self.window.encode(&mut small);
        small.extend_from_slice(&self.mvcc.hash().to_le_bytes());
        small.put_u64_field(self.leases.grants());
        small.extend_from_slice(&self.leases.hash().to_le_bytes());
        XxHash3_128::oneshot(&small)
    }

    /// A cheap copy that does not change.
    pub fn view(&self) -> StateView {
        StateView {
            cluster: self.cluster,
            mvcc: self.mvcc.view(),
            leases: self.leases.view(),
            alarms: self.alarms.clone(),
            members: self.members.clone(),
            auth: self.auth.clone(),
            window: self.window.clone(),
            applied: self.applied,
            hash: self.hash(),
        }
    }

    /// The entry at `index` begins: its commands follow.
    pub(crate) fn begin_entry(&mut self, index: u64, term: u64) {
        // I11
        assert_eq!(index, self.applied.0 + 1, "entry {index} applied after entry {}", self.applied.0);
        assert!(term >= self.applied.1, "entry {index} of term {term} applied after term {}", self.applied.1);
        self.applied = (index, term);
    }

    /// Whether this command was applied, or comes too late to be.
    pub(crate) fn was_applied(&self, id: CommandId) -> bool {
        self.window.was_applied(id)
    }
}

pub(crate) fn put_alarms(out: &mut Vec<u8>, alarms: &BTreeSet<Alarm>) {
    out.put_u32_field(u32::try_from(alarms.len()).expect("a few alarms"));
    for alarm in alarms {
        put_alarm(out, *alarm);
    }
}

pub(crate) fn put_members(out: &mut Vec<u8>, members: &BTreeMap<MemberId, Member>) {
    out.put_u32_field(u32::try_from(members.len()).expect("a few members"));
    for member in members.values() {
        out.put_u64_field(member.id.0);
        out.put_bytes_field(member.name.as_bytes());
        for urls in [&member.peer_urls, &member.client_urls] {
            out.put_u32_field(u32::try_from(urls.len()).expect("a few urls"));
            for url in urls {
                out.put_bytes_field(url.as_bytes());
            }
        }
        out.put_bool_field(member.is_learner);
        out.put_bool_field(member.incarnation.is_some());
        out.put_u64_field(member.incarnation.map_or(0, |incarnation| incarnation.0));
    }
}
