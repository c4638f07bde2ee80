//! STUB of the running member's handle (signatures are the contract between the gRPC services and the main loop).

use bytes::Bytes;
use detcd_engine::engine::Status;
use detcd_engine::ids::{ClusterId, MemberId, WatchId};
use detcd_engine::input::WatchInput;
use detcd_engine::request::{Reply, Request, RequestError};

/// What a gRPC service holds of the member: cheap to clone.
#[derive(Clone, Debug)]
pub struct MemberHandle {}

impl MemberHandle {
    /// Hands a request to the engine and waits for its answer. A read's view is evaluated here, on the caller's
    /// task. Dropping the future abandons the request.
    pub async fn request(&self, request: Request, require_leader: bool) -> Result<Reply, RequestError> {
        let _ = (request, require_leader);
        unimplemented!()
    }
    /// Opens a watch stream.
    pub fn open_watch(&self, require_leader: bool) -> WatchStream {
        let _ = require_leader;
        unimplemented!()
    }
    /// Where the member stands now.
    pub fn status(&self) -> Status {
        unimplemented!()
    }
    /// The cluster.
    pub fn cluster_id(&self) -> ClusterId {
        unimplemented!()
    }
    /// This member.
    pub fn member_id(&self) -> MemberId {
        unimplemented!()
    }
}

/// One watch stream: inputs go in at once, messages come out in order. Dropping it closes the stream.
#[derive(Debug)]
pub struct WatchStream {}

impl WatchStream {
    /// Hands an input to the engine.
    pub fn send(&self, input: WatchInput) {
        let _ = input;
        unimplemented!()
    }
    /// The next message; `None` when the member stops. Taking a message tells the engine there is room again.
    pub async fn recv(&mut self) -> Option<WatchMessage> {
        unimplemented!()
    }
}

/// A `detcd_engine::watch::WatchOutput` whose events are encoded: once per batch, shared by all watchers.
#[derive(Clone, Debug, PartialEq)]
pub enum WatchMessage {
    /// As in `WatchOutput`.
    Created { id: WatchId, revision: i64 },
    /// As in `WatchOutput`.
    Rejected { revision: i64, reason: &'static str },
    /// Each event is an encoded `mvccpb.Event` (body only, no field tag), shared.
    Events {
        id: WatchId,
        revision: i64,
        events: std::sync::Arc<[Bytes]>,
        first: usize,
        end: usize,
        fragment: bool,
    },
    /// As in `WatchOutput`.
    Progress { id: WatchId, revision: i64 },
    /// As in `WatchOutput`.
    Canceled { id: WatchId, revision: i64 },
    /// As in `WatchOutput`.
    Compacted { id: WatchId, compact_revision: i64 },
    /// As in `WatchOutput`.
    NoLeader,
}
