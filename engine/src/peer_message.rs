//! What members say to each other: raft's own messages, and what followers forward to the leader.
//!
//! raft-rs would forward proposals and reads as well, but at least once and with a context that it uses again
//! (docs/raft-rs-hazards.md), so commands, questions for a read index and questions about leases are ours.

use crate::ids::{Incarnation, MemberId, RequestId};
use crate::raft::RaftMessage;
use crate::request::{Caller, LeaseId, LeaseTimeToLiveRequest, LeaseTimeToLiveResponse, RequestError};
use bytes::Bytes;

/// A message between members. Everything in it has been checked by `frame`, incarnations apart: those are compared
/// by the engine with what the members have published of themselves.
#[derive(Clone, Debug, PartialEq)]
pub struct PeerMessage {
    /// The sender.
    pub from: MemberId,
    /// The incarnation of the sender's data directory.
    pub from_incarnation: Incarnation,
    /// The addressee.
    pub to: MemberId,
    /// The incarnation of the addressee's data directory as the sender knows it; `None` before it has published one.
    pub to_incarnation: Option<Incarnation>,
    /// What is said.
    pub body: PeerBody,
}

/// What members say to each other.
#[derive(Clone, Debug, PartialEq)]
pub enum PeerBody {
    /// Raft's own. Never MsgPropose, MsgReadIndex or their like: those are ours, below.
    Raft(RaftMessage),
    /// Please propose these commands (each as `command::encode` wrote it, with its id inside). Sent again
    /// after a change of leader: the dedup window applies a repeated one once.
    Forward(Vec<Bytes>),
    /// Nobody waits for these forwarded commands any more: they need no place in the log, if they have none yet.
    CancelForward {
        /// The sender's boot.
        boot: u32,
        /// The commands' numbers in it.
        numbers: Vec<u64>,
    },
    /// Tell me an index that was committed when you got this, confirmed by a quorum.
    ReadIndex {
        /// Never used twice by the sender, in any of its boots: an answer may outlive the process that asked.
        attempt: u64,
    },
    /// The answer; `None` where the sender of it does not lead or cannot know yet.
    ReadIndexReply {
        /// The attempt answered.
        attempt: u64,
        /// Apply up to here, then read.
        index: Option<u64>,
    },
    /// Ask the leader about a lease; only it has deadlines.
    LeaseRequest {
        /// The client's request at the asking member.
        id: RequestId,
        /// On whose behalf.
        caller: Caller,
        /// What is asked.
        request: LeaseRequest,
    },
    /// The leader's answer.
    LeaseResponse {
        /// The client's request at the asking member.
        id: RequestId,
        /// What is answered.
        response: Result<LeaseResponse, RequestError>,
    },
}

/// What only the leader knows of a lease.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LeaseRequest {
    /// Start its time again.
    KeepAlive(LeaseId),
    /// How long it has left.
    TimeToLive(LeaseTimeToLiveRequest),
}

/// The leader's answer about a lease.
#[derive(Clone, Debug, PartialEq)]
pub enum LeaseResponse {
    /// Its TTL in seconds, 0 where there is no such lease.
    KeepAlive {
        /// Seconds.
        ttl_secs: i64,
    },
    /// What is left of it.
    TimeToLive(LeaseTimeToLiveResponse),
}
