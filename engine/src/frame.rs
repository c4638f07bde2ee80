//! What travels between members: one message in one frame.
//!
//! ```text
//!   magic  version  cluster  from  from incarnation  to  to incarnation  kind  body ...  CRC32C of all before
//! ```
//!
//! A frame says whose it is before it says anything else, so that a member of another cluster, a directory that
//! was copied, or a release with another format is named in an error instead of being believed. Whether the
//! incarnations are the right ones is the engine's to know; everything else is checked here. The checksum is not
//! TLS's work done twice: it covers the way from encoder to decoder, the sender's memory and queues included.
//!
//! Decoding any bytes whatsoever neither panics nor allocates more than a small multiple of their length.
//! Byte by byte in docs/data-format.md.

mod lease;
mod raft;
#[cfg(test)]
mod tests;

use self::lease::{lease_request, lease_response, put_lease_request, put_lease_response};
use self::raft::{put_raft, raft};
use crate::auth::{put_caller, read_caller};
use crate::codec::{DecodeError, Decoder, Encode};
use crate::ids::{ClusterId, Incarnation, MemberId, RequestId};
use crate::peer_message::{PeerBody, PeerMessage};
use crate::raft::fields;
use bytes::Bytes;

/// The first four bytes of every frame: "dtpf", detcd peer frame.
pub const MAGIC: u32 = u32::from_le_bytes(*b"dtpf");
/// The format this release writes, and the only one it reads.
pub const VERSION: u32 = 1;

const CRC_BYTES: usize = 4;

/// Why a frame was not believed. The connection it came on is of no use any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Not a frame at all: another protocol on this port, or a stream out of step.
    #[error("not a peer frame: magic {MAGIC:#010x} expected, {found:#010x} found")]
    Magic {
        /// Instead of the magic.
        found: u32,
    },
    /// A member of a release with another format.
    #[error("peer frame of format {found}, this release speaks format {VERSION}")]
    Version {
        /// Instead of `VERSION`.
        found: u32,
    },
    /// Bytes changed on the way.
    #[error("peer frame with checksum {expected:#010x}, its bytes give {found:#010x}")]
    Checksum {
        /// As the frame says.
        expected: u32,
        /// As computed.
        found: u32,
    },
    /// A member of another cluster: a wrong `--initial-cluster` or `--initial-cluster-token` at one of the two.
    #[error("member {from} belongs to cluster {found}, this one to cluster {expected}")]
    Cluster {
        /// This member's.
        expected: ClusterId,
        /// The sender's.
        found: ClusterId,
        /// The sender.
        from: MemberId,
    },
    /// Meant for another member: a peer URL that leads to the wrong one.
    #[error("member {from} speaks to member {found}, this is member {expected}")]
    Addressee {
        /// This member.
        expected: MemberId,
        /// Whom it was meant for.
        found: MemberId,
        /// The sender.
        from: MemberId,
    },
    /// The fields do not add up to a message.
    #[error("malformed peer frame: {0}")]
    Malformed(#[from] DecodeError),
}

/// One message as bytes. `cluster` is the sender's.
pub fn encode(message: &PeerMessage, cluster: ClusterId) -> Vec<u8> {
    let mut out = Vec::with_capacity(128 + body_bytes(&message.body));
    out.put_u32_field(MAGIC);
    out.put_u32_field(VERSION);
    out.put_u64_field(cluster.0);
    out.put_u64_field(message.from.0);
    out.put_u64_field(message.from_incarnation.0);
    out.put_u64_field(message.to.0);
    out.put_bool_field(message.to_incarnation.is_some());
    out.put_u64_field(message.to_incarnation.unwrap_or_default().0);
    put_body(&mut out, &message.body);
    let checksum = crc32c::crc32c(&out);
    out.put_u32_field(checksum);
    out
}

/// One message from bytes, if it is whole, of this cluster and for `me`.
///
/// # Errors
/// Any bytes that `encode` does not write for this cluster and addressee; the first thing that is wrong, in the
/// order of the layout, so that another format is named before its checksum is looked for.
pub fn decode(bytes: Bytes, cluster: ClusterId, me: MemberId) -> Result<PeerMessage, FrameError> {
    let mut head = Decoder::new(bytes.clone());
    let magic = head.u32("magic")?;
    if magic != MAGIC {
        return Err(FrameError::Magic { found: magic });
    }
    let version = head.u32("format version")?;
    if version != VERSION {
        return Err(FrameError::Version { found: version });
    }
    let Some(length) = head.remaining().checked_sub(CRC_BYTES).map(|rest| rest + 8) else {
        return Err(head.error("checksum", format!("{} bytes left", head.remaining())).into());
    };
    let expected = Decoder::new(bytes.slice(length..)).u32("checksum")?;
    let found = crc32c::crc32c(&bytes[..length]);
    if expected != found {
        return Err(FrameError::Checksum { expected, found });
    }
    decode_checked(Decoder::new(bytes.slice(8..length)), cluster, me)
}

fn decode_checked(mut decoder: Decoder, cluster: ClusterId, me: MemberId) -> Result<PeerMessage, FrameError> {
    let from_cluster = ClusterId(decoder.u64("cluster")?);
    let from = MemberId(decoder.u64("from")?);
    if from_cluster != cluster {
        return Err(FrameError::Cluster { expected: cluster, found: from_cluster, from });
    }
    let from_incarnation = Incarnation(decoder.u64("from, incarnation")?);
    let to = MemberId(decoder.u64("to")?);
    if to != me {
        return Err(FrameError::Addressee { expected: me, found: to, from });
    }
    let is_known = decoder.bool("to, incarnation known")?;
    let to_incarnation = decoder.u64("to, incarnation")?;
    if !is_known && to_incarnation != 0 {
        return Err(decoder.error("to, incarnation", "not known, yet not 0").into());
    }
    let to_incarnation = is_known.then_some(Incarnation(to_incarnation));
    let body = body(&mut decoder)?;
    decoder.finish("peer frame")?;
    Ok(PeerMessage { from, from_incarnation, to, to_incarnation, body })
}

/// About how much `put_body` will write, so that a large frame is not copied while it grows.
fn body_bytes(body: &PeerBody) -> usize {
    match body {
        PeerBody::Raft(message) => 128 + message.entries.iter().map(fields::entry_bytes).sum::<usize>(),
        PeerBody::Forward(commands) => commands.iter().map(|command| 4 + command.len()).sum(),
        PeerBody::CancelForward { numbers, .. } => 8 + 8 * numbers.len(),
        PeerBody::ReadIndex { .. } | PeerBody::ReadIndexReply { .. } | PeerBody::LeaseRequest { .. } => 64,
        PeerBody::LeaseResponse { .. } => 128,
    }
}

fn put_body(out: &mut Vec<u8>, body: &PeerBody) {
    match body {
        PeerBody::Raft(message) => {
            out.put_u8_field(1);
            put_raft(out, message);
        }
        PeerBody::Forward(commands) => {
            out.put_u8_field(2);
            out.put_u32_field(u32::try_from(commands.len()).expect("a frame holds few commands"));
            for command in commands {
                out.put_bytes_field(command);
            }
        }
        PeerBody::ReadIndex { attempt } => {
            out.put_u8_field(3);
            out.put_u64_field(*attempt);
        }
        PeerBody::ReadIndexReply { attempt, index } => {
            out.put_u8_field(4);
            out.put_u64_field(*attempt);
            out.put_bool_field(index.is_some());
            out.put_u64_field(index.unwrap_or_default());
        }
        PeerBody::LeaseRequest { id, caller, request } => {
            out.put_u8_field(5);
            put_request_id(out, id);
            put_caller(out, caller);
            put_lease_request(out, request);
        }
        PeerBody::LeaseResponse { id, response } => {
            out.put_u8_field(6);
            put_request_id(out, id);
            put_lease_response(out, response);
        }
        PeerBody::CancelForward { boot, numbers } => {
            out.put_u8_field(7);
            out.put_u32_field(*boot);
            out.put_u32_field(u32::try_from(numbers.len()).expect("a frame holds few commands"));
            for number in numbers {
                out.put_u64_field(*number);
            }
        }
    }
}

fn body(decoder: &mut Decoder) -> Result<PeerBody, DecodeError> {
    match decoder.u8("body, kind")? {
        1 => Ok(PeerBody::Raft(raft(decoder)?)),
        2 => {
            let count = decoder.count("forwarded commands", 4)?;
            // Copied: a command waits in the leader's queue while the rest of the frame is long gone.
            let commands = (0..count).map(|_| decoder.bytes("forwarded command").map(fields::owned));
            Ok(PeerBody::Forward(commands.collect::<Result<_, _>>()?))
        }
        3 => Ok(PeerBody::ReadIndex { attempt: decoder.u64("read, attempt")? }),
        4 => {
            let attempt = decoder.u64("read, attempt")?;
            let is_known = decoder.bool("read, answered")?;
            let index = decoder.u64("read, index")?;
            if !is_known && index != 0 {
                return Err(decoder.error("read, index", "not answered, yet not 0"));
            }
            Ok(PeerBody::ReadIndexReply { attempt, index: is_known.then_some(index) })
        }
        5 => Ok(PeerBody::LeaseRequest {
            id: request_id(decoder)?,
            caller: read_caller(decoder)?,
            request: lease_request(decoder)?,
        }),
        6 => Ok(PeerBody::LeaseResponse { id: request_id(decoder)?, response: lease_response(decoder)? }),
        7 => {
            let boot = decoder.u32("cancel forward, boot")?;
            let count = decoder.count("cancel forward, commands", 8)?;
            let numbers = (0..count).map(|_| decoder.u64("cancel forward, command"));
            Ok(PeerBody::CancelForward { boot, numbers: numbers.collect::<Result<_, _>>()? })
        }
        other => Err(decoder.error("body, kind", format!("1 to 7 wanted, {other} found"))),
    }
}

fn put_request_id(out: &mut Vec<u8>, id: &RequestId) {
    out.put_u64_field(id.member.0);
    out.put_u32_field(id.boot);
    out.put_u64_field(id.counter);
}

fn request_id(decoder: &mut Decoder) -> Result<RequestId, DecodeError> {
    Ok(RequestId {
        member: MemberId(decoder.u64("request, member")?),
        boot: decoder.u32("request, boot")?,
        counter: decoder.u64("request, counter")?,
    })
}
