//! Bytes, as they come, to a state.

use super::{FORMAT_VERSION, MAGIC, SECTION_BYTES_MAX, SnapshotError, section};
use crate::auth::AuthReader;
use crate::codec::{DecodeError, Decoder};
use crate::command::decode_alarm;
use crate::dedup_window::DedupWindow;
use crate::ids::{ClusterId, Incarnation, LeaseId, MemberId};
use crate::lease::{Lease, Lessor};
use crate::membership::Member;
use crate::mvcc::{RecordHeader, RecordRef, Store};
use crate::raft::SnapshotMeta;
use crate::request::Alarm;
use crate::state::State;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// The magic number and the format version.
const PREAMBLE_BYTES: usize = 12;
/// No cluster counts so far.
const COUNTER_LIMIT: u64 = 1 << 62;
/// Kind and length before a payload, checksum after it.
const SECTION_FRAME_BYTES: usize = 9;

/// Reads a snapshot that is pushed in pieces of any size. Nothing is believed before its checksum, and nothing is
/// handed out before the state hash.
#[derive(Debug, Default)]
pub struct Reader {
    buffer: Vec<u8>,
    /// Offset of `buffer` in the whole snapshot.
    at: u64,
    crc: u32,
    header: Option<Header>,
    auth: AuthReader,
    leases: Vec<Lease>,
    records: Vec<RecordRef>,
    end: Option<End>,
}

#[derive(Debug)]
struct Header {
    cluster: ClusterId,
    meta: SnapshotMeta,
    revision: i64,
    compacted_revision: i64,
    lease_grants: u64,
    alarms: BTreeSet<Alarm>,
    members: BTreeMap<MemberId, Member>,
    auth_enabled: bool,
    auth_revision: u64,
    window: DedupWindow,
}

#[derive(Debug)]
struct End {
    lease_count: u64,
    record_count: u64,
    hash: u128,
}

impl Reader {
    /// Nothing read yet.
    pub fn new() -> Reader {
        Reader::default()
    }

    /// Takes the next bytes in.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        self.buffer.extend_from_slice(bytes);
        if self.at == 0 && !self.take_preamble()? {
            return Ok(());
        }
        let mut taken = 0;
        while let Some(section_bytes) = self.whole_section(taken)? {
            let section = Bytes::copy_from_slice(&self.buffer[taken..taken + section_bytes]);
            self.take_section(section)?;
            taken += section_bytes;
            self.at += section_bytes as u64;
        }
        self.buffer.drain(..taken);
        Ok(())
    }

    /// The state, where the whole snapshot was read and is what its writer had.
    pub fn finish(self) -> Result<(SnapshotMeta, State), SnapshotError> {
        let at = self.at;
        let fail = |problem: String| SnapshotError { at, problem };
        let (Some(header), Some(end)) = (self.header, self.end) else {
            return Err(fail("it ends before its last section".to_owned()));
        };
        if !self.buffer.is_empty() {
            return Err(fail(format!("{} bytes after its last section", self.buffer.len())));
        }
        let found = (self.leases.len() as u64, self.records.len() as u64);
        if found != (end.lease_count, end.record_count) {
            return Err(fail(format!(
                "{} leases and {} records expected, {} and {} found",
                end.lease_count, end.record_count, found.0, found.1
            )));
        }
        let mvcc =
            Store::from_records(header.revision, header.compacted_revision, self.records).map_err(fail)?;
        let mut leases =
            Lessor::from_leases(header.lease_grants, self.leases).map_err(|error| fail(error.to_string()))?;
        attach_keys(&mvcc, &mut leases).map_err(fail)?;
        let state = State {
            cluster: header.cluster,
            mvcc,
            leases,
            alarms: header.alarms,
            members: header.members,
            auth: self.auth.finish(header.auth_enabled, header.auth_revision),
            window: header.window,
            applied: (header.meta.index, header.meta.term),
        };
        // I16
        if state.hash() != end.hash {
            return Err(fail(format!("state hash {:032x} expected, {:032x} found", end.hash, state.hash())));
        }
        Ok((header.meta, state))
    }

    /// Whether the preamble is there and good; `false` where more bytes are needed to tell.
    fn take_preamble(&mut self) -> Result<bool, SnapshotError> {
        if self.buffer.len() < PREAMBLE_BYTES {
            return Ok(false);
        }
        if self.buffer[..8] != MAGIC {
            return Err(self.error("not a detcd snapshot: its magic number is missing".to_owned()));
        }
        let version: [u8; 4] = self.buffer[8..12].try_into().expect("four bytes");
        let version = u32::from_le_bytes(version);
        if version != FORMAT_VERSION {
            return Err(self.error(format!("format version {FORMAT_VERSION} expected, {version} found")));
        }
        self.buffer.drain(..PREAMBLE_BYTES);
        self.at = PREAMBLE_BYTES as u64;
        Ok(true)
    }

    fn error(&self, problem: String) -> SnapshotError {
        SnapshotError { at: self.at, problem }
    }

    /// The size of the section at `start`, frame included, if all of it is in the buffer.
    fn whole_section(&self, start: usize) -> Result<Option<usize>, SnapshotError> {
        let rest = &self.buffer[start..];
        let Some(length) = rest.get(1..5) else {
            return Ok(None);
        };
        let payload_bytes = u32::from_le_bytes(length.try_into().expect("four bytes")) as usize;
        if payload_bytes > SECTION_BYTES_MAX {
            return Err(self.error(format!("a section of {payload_bytes} bytes")));
        }
        let section_bytes = payload_bytes + SECTION_FRAME_BYTES;
        Ok((rest.len() >= section_bytes).then_some(section_bytes))
    }

    fn take_section(&mut self, section: Bytes) -> Result<(), SnapshotError> {
        let (body, stored) = section.split_at(section.len() - 4);
        let stored = u32::from_le_bytes(stored.try_into().expect("four bytes"));
        self.crc = crc32c::crc32c_append(self.crc, body);
        if self.crc != stored {
            return Err(self.error(format!("checksum {stored:08x} stored, {:08x} computed", self.crc)));
        }
        if self.end.is_some() {
            return Err(self.error("a section after the last one".to_owned()));
        }
        let kind = body[0];
        let payload = Decoder::new(section.slice(5..section.len() - 4));
        if self.header.is_none() != (kind == section::HEADER) {
            return Err(self.error(format!("section of kind {kind} where the header stands or is missing")));
        }
        let read = match kind {
            section::HEADER => read_header(payload).map(|header| self.header = Some(header)),
            section::LEASES => read_leases(payload, &mut self.leases),
            section::AUTH => self.auth.piece(payload),
            section::RECORDS => read_records(payload, &mut self.records),
            section::END => read_end(payload).map(|end| self.end = Some(end)),
            other => return Err(self.error(format!("section of unknown kind {other}"))),
        };
        read.map_err(|error| self.error(error.to_string()))
    }
}

fn read_header(mut from: Decoder) -> Result<Header, DecodeError> {
    let cluster = ClusterId(from.u64("cluster id")?);
    let index = read_counter(&mut from, "snapshot index")?;
    let term = read_counter(&mut from, "snapshot term")?;
    let voters = read_member_ids(&mut from)?;
    let learners = read_member_ids(&mut from)?;
    let header = Header {
        cluster,
        meta: SnapshotMeta { index, term, voters, learners },
        revision: from.i64("revision")?,
        compacted_revision: from.i64("compacted revision")?,
        lease_grants: read_counter(&mut from, "lease grants")?,
        alarms: read_alarms(&mut from)?,
        members: read_members(&mut from)?,
        auth_enabled: from.bool("auth enabled")?,
        auth_revision: read_auth_revision(&mut from)?,
        window: DedupWindow::decode(&mut from)?,
    };
    from.finish("header")?;
    Ok(header)
}

/// What goes up by one: far from where that would overflow.
fn read_counter(from: &mut Decoder, what: &'static str) -> Result<u64, DecodeError> {
    let count = from.u64(what)?;
    if count >= COUNTER_LIMIT {
        return Err(from.error(what, format!("below {COUNTER_LIMIT} wanted, {count} found")));
    }
    Ok(count)
}

/// It begins at 1: 0 is no revision.
fn read_auth_revision(from: &mut Decoder) -> Result<u64, DecodeError> {
    match read_counter(from, "auth revision")? {
        0 => Err(from.error("auth revision", "at least 1 wanted, 0 found")),
        revision => Ok(revision),
    }
}

fn read_member_ids(from: &mut Decoder) -> Result<Vec<MemberId>, DecodeError> {
    let count = from.count("member ids", 8)?;
    (0..count).map(|_| from.u64("member id").map(MemberId)).collect()
}

fn read_alarms(from: &mut Decoder) -> Result<BTreeSet<Alarm>, DecodeError> {
    let count = from.count("alarms", 9)?;
    (0..count).map(|_| decode_alarm(from)).collect()
}

fn read_members(from: &mut Decoder) -> Result<BTreeMap<MemberId, Member>, DecodeError> {
    let count = from.count("members", 30)?;
    let mut members = BTreeMap::new();
    for _ in 0..count {
        let id = MemberId(from.u64("member id")?);
        let name = from.text("member name")?;
        let peer_urls = read_urls(from)?;
        let client_urls = read_urls(from)?;
        let is_learner = from.bool("learner")?;
        let has_incarnation = from.bool("incarnation known")?;
        let incarnation = Incarnation(from.u64("incarnation")?);
        let incarnation = has_incarnation.then_some(incarnation);
        members.insert(id, Member { id, name, peer_urls, client_urls, is_learner, incarnation });
    }
    Ok(members)
}

fn read_urls(from: &mut Decoder) -> Result<Vec<String>, DecodeError> {
    let count = from.count("urls", 4)?;
    (0..count).map(|_| from.text("url")).collect()
}

fn read_leases(mut from: Decoder, leases: &mut Vec<Lease>) -> Result<(), DecodeError> {
    while from.remaining() > 0 {
        let id = LeaseId(from.i64("lease id")?);
        let grant_number = from.u64("number of the grant")?;
        let granted_ttl_secs = from.i64("lease ttl")?;
        let is_noted = from.bool("remaining time noted")?;
        let remaining = from.i64("remaining time")?;
        let remaining_ttl_secs = is_noted.then_some(remaining);
        leases.push(Lease { id, grant_number, granted_ttl_secs, remaining_ttl_secs });
    }
    Ok(())
}

fn read_records(mut from: Decoder, records: &mut Vec<RecordRef>) -> Result<(), DecodeError> {
    while from.remaining() > 0 {
        let create_revision = from.i64("create revision")?;
        let mod_revision = from.i64("mod revision")?;
        let sub = from.u32("sub revision")?;
        let version = from.i64("version")?;
        let lease = LeaseId(from.i64("record lease")?);
        let key = from.bytes("record key")?;
        let value = from.bytes("record value")?;
        let header = RecordHeader { create_revision, mod_revision, sub, version, lease };
        records.push(RecordRef::new(header, &key, &value));
    }
    Ok(())
}

fn read_end(mut from: Decoder) -> Result<End, DecodeError> {
    let lease_count = from.u64("lease count")?;
    let record_count = from.u64("record count")?;
    let low = u128::from(from.u64("state hash")?);
    let high = u128::from(from.u64("state hash")?);
    from.finish("last section")?;
    Ok(End { lease_count, record_count, hash: high << 64 | low })
}

/// Which keys are attached to which lease is not written: the newest version of each key says it. I9: the lease of each
/// must be there.
pub(crate) fn attach_keys(mvcc: &Store, leases: &mut Lessor) -> Result<(), String> {
    let mut records = mvcc.current().records().peekable();
    while let Some(record) = records.next() {
        let is_newest = records.peek().is_none_or(|next| next.key() != record.key());
        if !is_newest || record.is_tombstone() || record.lease() == LeaseId(0) {
            continue;
        }
        if !leases.contains(record.lease()) {
            return Err(format!(
                "key {:?} hangs on lease {:?}, which is missing",
                record.key(),
                record.lease()
            ));
        }
        leases.attach(record.lease(), Bytes::copy_from_slice(record.key()));
    }
    Ok(())
}
