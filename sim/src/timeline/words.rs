//! A frame in words, for the reader of a trace. Nothing is decoded until it is printed.

use bytes::Bytes;
use detcd_engine::frame;
use detcd_engine::ids::{ClusterId, MemberId};
use detcd_engine::peer_message::PeerBody;
use detcd_engine::raft::RaftMessage;
use std::fmt;

/// A frame in words.
#[derive(Debug)]
pub struct FrameWords<'a> {
    /// As it travels.
    pub frame: &'a Bytes,
    /// The cluster.
    pub cluster: ClusterId,
    /// The receiver.
    pub to: MemberId,
}

impl fmt::Display for FrameWords<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match frame::decode(self.frame.clone(), self.cluster, self.to) {
            Ok(message) => match message.body {
                PeerBody::Raft(message) => raft(&message, f),
                PeerBody::Forward(commands) => write!(f, "Forward {} commands", commands.len()),
                PeerBody::CancelForward { numbers, .. } => {
                    write!(f, "CancelForward of {} commands", numbers.len())
                }
                body => write!(f, "{body:?}"),
            },
            Err(error) => write!(f, "no frame: {error}"),
        }
    }
}

/// The fields that say something: most messages use few.
fn raft(message: &RaftMessage, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let RaftMessage { kind, term, log_term, index, entries, commit, reject, reject_hint, .. } = message;
    write!(f, "{kind:?} term {term} index {index}")?;
    if *log_term > 0 {
        write!(f, " of term {log_term}")?;
    }
    if let (Some(first), Some(last)) = (entries.first(), entries.last()) {
        write!(f, " entries {}..={}", first.index, last.index)?;
    }
    if *commit > 0 {
        write!(f, " commit {commit}")?;
    }
    if *reject {
        write!(f, " refused, try {reject_hint}")?;
    }
    if let Some(snapshot) = &message.snapshot {
        write!(f, " {snapshot:?}")?;
    }
    Ok(())
}
