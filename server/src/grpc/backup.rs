//! `Maintenance.Snapshot`: the state as a file that etcd's tools read, in messages of the size of etcd's.
//!
//! The state is a view, taken once. Counting its pages, writing them and the checksum are the work of the readers, a piece
//! at a time and only once the client has taken the piece before; a client that leaves takes all of it along.

use crate::handle::MemberHandle;
use crate::pb;
use crate::wire::maintenance::{CLUSTER_VERSION, STORAGE_VERSION};
use bytes::{Bytes, BytesMut};
use detcd_engine::etcd_file::{Export, Release};
use detcd_engine::request::RequestError;
use sha2::{Digest, Sha256};
use std::vec::IntoIter;

/// Bytes of the file in a message, as etcd sends them.
const BLOB_BYTES: usize = 32 * 1024;
/// What is made at once: some messages.
const PIECE_BYTES: usize = 8 * BLOB_BYTES;

/// A file on its way to a client.
#[derive(Debug)]
pub(super) struct Backup {
    member: MemberHandle,
    /// Messages that were made and not yet taken.
    ready: IntoIter<pb::SnapshotResponse>,
    /// `None` once its last message is ready.
    rest: Option<Rest>,
}

/// What is still to be made.
#[derive(Debug)]
struct Rest {
    export: Export,
    sha256: Sha256,
    /// Of the file, not in messages yet.
    left_bytes: u64,
    waiting: BytesMut,
    is_over: bool,
}

impl Backup {
    /// Of the state as it is.
    pub(super) async fn begin(member: MemberHandle) -> Result<Backup, RequestError> {
        let release = Release { cluster_version: CLUSTER_VERSION, storage_version: STORAGE_VERSION };
        let mut export = Export::new(member.state().await?, release);
        let left_bytes = loop {
            let measured = member.elsewhere(move || (export.measure(), export)).await?;
            export = measured.1;
            if let Some(bytes) = measured.0 {
                break bytes;
            }
        };
        tracing::info!(bytes = left_bytes, "sending a snapshot of the state to a client");
        let rest =
            Rest { export, sha256: Sha256::new(), left_bytes, waiting: BytesMut::new(), is_over: false };
        Ok(Backup { member, ready: Vec::new().into_iter(), rest: Some(rest) })
    }

    /// The next message; `None` behind the last.
    pub(super) async fn next(&mut self) -> Result<Option<pb::SnapshotResponse>, RequestError> {
        loop {
            if let Some(message) = self.ready.next() {
                return Ok(Some(message));
            }
            let Some(mut rest) = self.rest.take() else { return Ok(None) };
            let (messages, rest) = self
                .member
                .elsewhere(move || {
                    let messages = rest.messages();
                    (messages, Some(rest).filter(|rest| !rest.is_over))
                })
                .await?;
            (self.ready, self.rest) = (messages.into_iter(), rest);
        }
    }
}

impl Rest {
    /// Some messages; the checksum of all is the blob of the last one.
    fn messages(&mut self) -> Vec<pb::SnapshotResponse> {
        let mut messages = Vec::new();
        while self.waiting.len() < PIECE_BYTES
            && let Some(piece) = self.export.next_piece(PIECE_BYTES)
        {
            self.waiting.extend_from_slice(&piece);
        }
        let is_end = self.waiting.len() as u64 == self.left_bytes;
        while self.waiting.len() >= BLOB_BYTES || (is_end && !self.waiting.is_empty()) {
            let blob = self.waiting.split_to(BLOB_BYTES.min(self.waiting.len())).freeze();
            self.sha256.update(&blob);
            self.left_bytes -= blob.len() as u64;
            messages.push(message(blob, self.left_bytes));
        }
        if is_end {
            let checksum = std::mem::take(&mut self.sha256).finalize();
            messages.push(message(Bytes::copy_from_slice(&checksum), 0));
            self.is_over = true;
        }
        messages
    }
}

fn message(blob: Bytes, remaining_bytes: u64) -> pb::SnapshotResponse {
    pb::SnapshotResponse { header: None, remaining_bytes, blob, version: STORAGE_VERSION.to_owned() }
}
