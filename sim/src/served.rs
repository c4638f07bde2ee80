//! The second tier: the whole server. Members serve gRPC, from server's own services on the simulated tonic, and
//! clients call it over madsim's network, each from a machine of its own.
//!
//! The first tier, without services, is faster and calls members directly; workloads, faults and checkers are the same
//! in both. Here there are also faults between a client and a member: long delays, links that are cut in
//! one direction or both, clients that hang up, responses that no client reads. Members still talk to each other over
//! `network`, as madsim's cannot lose, duplicate or corrupt a frame.

mod calls;
mod links;

pub(crate) use calls::{Serving, Window, serve};
pub(crate) use links::Links;

use crate::random::Seed;
use serde::{Deserialize, Serialize};

/// Of all runs, so many are of the whole server.
const SERVER_PER_MILLION: u32 = 125_000;
/// As far as HTTP/2's window of 64 KiB goes with small responses.
const WINDOW: usize = 64;

/// Which part of the server is simulated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Members alone.
    #[default]
    Members,
    /// Its services too.
    Server(Served),
}

/// What a run of the whole server varies besides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Served {
    /// How long a message takes between a client and a member, at most; 1 ms at least.
    #[serde(rename = "way_ms_max")]
    pub delay_ms_max: u64,
    /// So many responses of a stream may be in flight to a client that reads none: HTTP/2's window.
    pub window: usize,
    /// Keepalives that have a stream to themselves, half-closed at once. The rest share one.
    pub lone_keepalives_per_million: u32,
    /// When clients do not reach members.
    pub cuts: Vec<ClientCut>,
}

/// A client does not reach a member for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientCut {
    /// From the start.
    pub at_ms: u64,
    /// Which client. One that is not there loses nothing.
    pub client: usize,
    /// Which member, likewise.
    pub member: usize,
    /// What does not arrive.
    #[serde(rename = "way")]
    pub direction: Direction,
    /// For how long.
    pub for_ms: u64,
}

/// A direction between a client and a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// To the member.
    There,
    /// To the client.
    Back,
    /// Either.
    Both,
}

impl Tier {
    /// The tier of a seed: so many members and clients, for so long.
    pub fn draw(seed: Seed, members: usize, clients: usize, ends_ms: u64) -> Tier {
        if seed.stream("tier").happens(SERVER_PER_MILLION) {
            Tier::Server(Served::draw(seed, members, clients, ends_ms))
        } else {
            Tier::Members
        }
    }

    /// Sets every setting to its baseline. The tier and the cuts stay.
    pub(crate) fn reset_to_baseline(&mut self) {
        if let Tier::Server(served) = self {
            *served = Served { cuts: std::mem::take(&mut served.cuts), ..Served::baseline() };
        }
    }
}

impl Served {
    /// That of a seed.
    pub fn draw(seed: Seed, members: usize, clients: usize, ends_ms: u64) -> Served {
        let mut stream = seed.stream("served");
        let delay_ms_max = stream.pick(&[2, 5, 10, 60]);
        let window = stream.pick(&[1, 4, WINDOW]);
        let lone_keepalives_per_million = stream.pick(&[0, 300_000, 1_000_000]);
        let count = stream.pick(&[0, 2, 8, 30]);
        let mut cuts: Vec<ClientCut> = (0..count)
            .map(|_| ClientCut {
                at_ms: stream.within(0..ends_ms.max(1)),
                client: stream.index(clients.max(1)),
                member: stream.index(members),
                direction: stream.pick(&[Direction::There, Direction::Back, Direction::Both]),
                for_ms: stream.within(1..5000),
            })
            .collect();
        cuts.sort_by_key(|cut| cut.at_ms);
        Served { delay_ms_max, window, lone_keepalives_per_million, cuts }
    }

    /// The baseline.
    pub fn baseline() -> Served {
        Served { delay_ms_max: 2, window: WINDOW, lone_keepalives_per_million: 0, cuts: Vec::new() }
    }
}
