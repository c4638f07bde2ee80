//! What one connection may cost, each bound with its reason.
//!
//! A bound that a client can meet by ordinary use slows a stream down or refuses one call; only what no client of ours
//! does ends a connection. Where HTTP/2 lets the other side make us remember something, the bound is either the pace at
//! which we read (see `paced`) or a number here.

use std::time::Duration;

/// What differs between ports, besides the largest message (`Services`) and what may be held unread (`Unread`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Calls at once, as SETTINGS say; more are refused by HTTP/2 and sent again by the client.
    pub(crate) calls_max: u32,
    /// A connection without calls is closed after so long; `None` never, as etcd does with clients.
    pub(crate) idle_max: Option<Duration>,
}

/// From the accepted socket to the end of HTTP/2's preface and settings. Clients send both at once.
pub(super) const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// Read from the socket before the calls of the connection get their turn, and before other connections get theirs.
/// Every call takes what came for it within that turn, so no more than this of HTTP/2's own queues is in use: 1,600
/// DATA frames of one byte, or 600 calls that are cancelled at once.
pub(super) const TURN_BYTES: usize = 16 * 1024;

/// A call that is cancelled before we have seen it waits in HTTP/2's queue for us to see both. Within one turn not more
/// than 600 fit (27 bytes for the smallest HEADERS and RST_STREAM), so this is never met; a flood is paced, not ended.
pub(super) const CANCELLED_UNSEEN_MAX: usize = 1024;

/// h2 counts unread DATA frames below 256 bytes against a budget, and frames of streams that have ended for good. Our
/// reading pace bounds the former already (`TURN_BYTES`), so the budget is out of the way.
pub(super) const SMALL_FRAMES_BUDGET_BYTES: usize = usize::MAX;

/// Streams that we ended and the client has not: what is still on its way for them is passed over. Ten thousand watches
/// may end at once when a leader is lost. About 400 bytes each, while there are any.
pub(super) const ENDED_STREAMS_KEPT_MAX: usize = 10_000;
/// How long they are kept: longer than anything stays on its way.
pub(super) const ENDED_STREAMS_KEPT: Duration = Duration::from_secs(30);
/// Faults of HTTP/2 answered by a reset of their stream, in a connection's life; no client of ours makes any. A flood of
/// them ends the connection, since each reset waits in memory for a client that may not be reading.
pub(super) const FAULTY_STREAMS_MAX: usize = 10_000;

/// Request bytes of one call that the client may send before the call reads them.
pub(super) const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;
/// HTTP/2's largest: what a connection may hold is counted by us (`Unread`), so that one call which
/// does not read cannot keep the others from being sent.
pub(super) const CONNECTION_WINDOW_BYTES: u32 = (1 << 31) - 1;

/// Metadata of a call, as HTTP/2 counts it (name, value and 32 bytes each). A larger call is refused.
pub(super) const METADATA_BYTES_MAX: usize = 1024 * 1024;
/// What SETTINGS say. Above what is served, so that a call beyond that limit is refused in words; beyond this one, HTTP/2
/// answers 431, and beyond four times this the connection ends.
pub(super) const HEADER_LIST_BYTES_MAX: u32 = 4 * 1024 * 1024;

/// Sent of one answer before other calls get their turn.
pub(super) const SENT_BYTES_A_TURN: usize = 256 * 1024;
