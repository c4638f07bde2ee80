//! A snapshot on its way: from the state to the disk, from one member to another.

use crate::peer_message::PeerMessage;
use crate::raft::SnapshotMeta;
use crate::state::{State, StateView};

/// A request to write the state aside (see `Effects::checkpoint`).
#[derive(Debug)]
pub struct Checkpoint {
    /// Where it stands in the log.
    pub meta: SnapshotMeta,
    /// The state, cheap and unchanging.
    pub state: StateView,
}

/// A snapshot for a member that lags behind the log.
#[derive(Debug)]
pub struct OutgoingSnapshot {
    /// To announce it with, once its state has arrived: the addressee's shell hands both in together.
    pub message: PeerMessage,
    /// Where it stands in the log.
    pub meta: SnapshotMeta,
    /// The state, cheap and unchanging.
    pub state: StateView,
}

/// A snapshot that arrived whole.
#[derive(Clone, Debug)]
pub struct ReceivedSnapshot {
    /// The announcement.
    pub message: PeerMessage,
    /// The state, decoded; its file is durable under the shell's hand.
    pub state: Box<State>,
}
