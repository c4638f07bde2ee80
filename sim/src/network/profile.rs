//! How a network treats what is sent over it: plain data, drawn from the seed.

use super::delay::{Delay, Shape};
use super::link::Link;
use crate::random::{Seed, Stream};
use detcd_engine::peer_message::PeerBody;
use detcd_engine::raft::RaftMessageKind;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Networks in a million in which answers to heartbeats, and no others, come again much later. Late appends and
/// heartbeats would keep members following a leader that is cut off, and no other would be elected.
const ECHOES_PER_MILLION: u32 = 150_000;

/// How the network between the members behaves, before any fault of the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkProfile {
    /// How frames are treated.
    pub usual: DeliveryProfile,
    /// Kinds that are treated differently.
    pub kinds: BTreeMap<FrameKind, DeliveryProfile>,
    /// Links on which everything takes longer.
    pub slow_links: Vec<SlowLink>,
    /// Which frame of a link comes first.
    pub order: Order,
    /// What a link carries; 0 for any amount.
    pub bytes_per_ms: u64,
    /// What waits in the queue of a link; what does not fit is lost.
    pub queue_bytes: u64,
    /// Frames and pieces of snapshots that arrive with other bytes than they were sent with, in a million.
    pub corrupts_per_million: u32,
    /// Frames that arrive at a third member, in a million.
    pub cross_wires_per_million: u32,
    /// Frames that arrive as if sent by a member of another cluster, in a million.
    pub foreign_per_million: u32,
    /// Losses that are reported to the sender, in a million: a connection that breaks.
    #[serde(rename = "told_per_million")]
    pub reported_losses_per_million: u32,
    /// Starts after which a member receives nothing from another one for a while, in a million: the other still writes
    /// to the connection of the last boot, which is half open.
    pub half_open_per_million: u32,
    /// For so long at most.
    pub half_open_ms_max: u64,
}

/// How frames of a kind are treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliveryProfile {
    /// One way.
    pub delay: Delay,
    /// Lost, in a million.
    pub drops_per_million: u32,
    /// Arrive twice, in a million.
    pub duplicates_per_million: u32,
    /// How much later the second one is.
    pub duplicate_delay: Delay,
}

/// A link on which everything takes longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlowLink {
    /// Which.
    pub link: Link,
    /// So many times as long.
    pub times: u32,
}

/// Which frame of a link comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Order {
    /// Each has a delay of its own.
    Free,
    /// None overtakes another, as on one connection.
    Fifo,
    /// Those that arrive within a window come all at its end, the last one first.
    LastFirst {
        /// The window.
        window_us: u64,
    },
}

/// What a frame is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FrameKind {
    /// Entries of the log.
    Append,
    /// Which of them are durable.
    AppendResponse,
    /// Votes and pre-votes, with their answers, and the request to campaign at once.
    Vote,
    /// A leader's.
    Heartbeat,
    /// Its answer.
    HeartbeatResponse,
    /// Commands for the leader.
    Forward,
    /// An index to read at, and its answer.
    ReadIndex,
    /// Of leases, and its answer.
    Lease,
    /// A piece of a snapshot, or its answer.
    Piece,
}

impl FrameKind {
    /// All of them.
    pub const ALL: [FrameKind; 9] = [
        FrameKind::Append,
        FrameKind::AppendResponse,
        FrameKind::Vote,
        FrameKind::Heartbeat,
        FrameKind::HeartbeatResponse,
        FrameKind::Forward,
        FrameKind::ReadIndex,
        FrameKind::Lease,
        FrameKind::Piece,
    ];

    /// Of a message.
    pub fn of(body: &PeerBody) -> FrameKind {
        match body {
            PeerBody::Raft(message) => match message.kind {
                RaftMessageKind::Append => FrameKind::Append,
                RaftMessageKind::AppendResponse => FrameKind::AppendResponse,
                RaftMessageKind::Vote
                | RaftMessageKind::VoteResponse
                | RaftMessageKind::PreVote
                | RaftMessageKind::PreVoteResponse
                | RaftMessageKind::TimeoutNow => FrameKind::Vote,
                RaftMessageKind::Heartbeat => FrameKind::Heartbeat,
                RaftMessageKind::HeartbeatResponse => FrameKind::HeartbeatResponse,
                RaftMessageKind::Snapshot => FrameKind::Piece,
            },
            PeerBody::Forward(_) | PeerBody::CancelForward { .. } => FrameKind::Forward,
            PeerBody::ReadIndex { .. } | PeerBody::ReadIndexReply { .. } => FrameKind::ReadIndex,
            PeerBody::LeaseRequest { .. } | PeerBody::LeaseResponse { .. } => FrameKind::Lease,
        }
    }
}

impl NetworkProfile {
    /// The network of a seed, between so many members.
    pub fn draw(seed: Seed, members: usize) -> NetworkProfile {
        let mut stream = seed.stream("swarm/network");
        let usual = DeliveryProfile::draw(&mut stream);
        let order = match stream.within(0..4) {
            0 => Order::Fifo,
            1 => Order::LastFirst { window_us: stream.pick(&[1000, 10_000, 50_000]) },
            _ => Order::Free,
        };
        let mut profile = NetworkProfile {
            usual,
            kinds: BTreeMap::new(),
            slow_links: Vec::new(),
            order,
            bytes_per_ms: stream.pick(&[0, 0, 0, 20, 200, 2000]),
            queue_bytes: stream.pick(&[4096, 65_536, 1_048_576]),
            corrupts_per_million: stream.pick(&[0, 0, 0, 1000, 30_000]),
            cross_wires_per_million: stream.pick(&[0, 0, 0, 1000, 30_000]),
            foreign_per_million: stream.pick(&[0, 0, 0, 1000]),
            reported_losses_per_million: stream.pick(&[0, 100_000, 1_000_000]),
            half_open_per_million: stream.pick(&[0, 0, 300_000]),
            half_open_ms_max: stream.pick(&[100, 1000, 5000]),
        };
        let mut stream = seed.stream("swarm/network/kinds");
        if stream.happens(300_000) {
            for kind in FrameKind::ALL {
                if stream.happens(300_000) {
                    profile.kinds.insert(kind, DeliveryProfile::draw(&mut stream));
                }
            }
        }
        let mut stream = seed.stream("swarm/network/echoes");
        if stream.happens(ECHOES_PER_MILLION) {
            profile.kinds.entry(FrameKind::HeartbeatResponse).or_insert(DeliveryProfile::with_echoes(usual));
        }
        let mut stream = seed.stream("swarm/network/slow links");
        if stream.happens(300_000) {
            for link in Link::all(members) {
                if stream.happens(300_000) {
                    profile.slow_links.push(SlowLink { link, times: stream.pick(&[3, 10, 30]) });
                }
            }
        }
        profile
    }

    /// Calm: nothing is lost, duplicated, corrupted or reordered; delays are short.
    pub fn calm(&self) -> NetworkProfile {
        let median_us = self.usual.delay.median_us.min(10_000);
        let delay = Delay { median_us, shape: Shape::Exponential };
        NetworkProfile {
            usual: DeliveryProfile { delay, drops_per_million: 0, duplicates_per_million: 0, ..self.usual },
            kinds: BTreeMap::new(),
            slow_links: Vec::new(),
            order: Order::Free,
            bytes_per_ms: 0,
            corrupts_per_million: 0,
            cross_wires_per_million: 0,
            foreign_per_million: 0,
            half_open_per_million: 0,
            ..self.clone()
        }
    }

    /// How frames of a kind are treated.
    pub fn delivery(&self, kind: FrameKind) -> DeliveryProfile {
        self.kinds.get(&kind).copied().unwrap_or(self.usual)
    }
}

impl DeliveryProfile {
    /// Many are duplicated about a second later, when the leader that they answer may have been deposed.
    fn with_echoes(usual: DeliveryProfile) -> DeliveryProfile {
        let duplicate_delay = Delay { median_us: 1_000_000, shape: Shape::Exponential };
        DeliveryProfile { duplicates_per_million: 200_000, duplicate_delay, ..usual }
    }

    fn draw(stream: &mut Stream) -> DeliveryProfile {
        let median_us = stream.pick(&[100, 300, 1000, 3000, 10_000, 20_000]);
        DeliveryProfile {
            delay: Delay { median_us, shape: stream.pick(&Shape::ALL) },
            drops_per_million: stream.pick(&[0, 0, 10_000, 100_000]),
            duplicates_per_million: stream.pick(&[0, 0, 10_000, 200_000]),
            duplicate_delay: Delay {
                median_us: stream.pick(&[1000, 30_000, 1_000_000]),
                shape: stream.pick(&Shape::ALL),
            },
        }
    }
}
