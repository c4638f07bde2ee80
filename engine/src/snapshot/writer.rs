//! A view to bytes, one piece at a time.

use super::{FORMAT_VERSION, MAGIC, SECTION_BYTES, section};
use crate::auth::AuthWriter;
use crate::codec::Encode;
use crate::ids::LeaseId;
use crate::mvcc::RecordRef;
use crate::raft::SnapshotMeta;
use crate::state::{StateView, put_alarms, put_members};

/// A section may grow so large before it ends between two versions of one key: the next section has to skip that key's
/// older versions again.
const SECTION_BYTES_WITHIN_KEY: usize = 16 * 1024 * 1024;

/// Writes a snapshot piece by piece; between two pieces the state may change as it likes, the view does not.
#[derive(Debug)]
pub struct Writer {
    state: StateView,
    meta: SnapshotMeta,
    next: Next,
    auth: AuthWriter,
    /// The last lease written.
    last_lease: Option<LeaseId>,
    /// Key and position of the last record written.
    last_record: Option<(Vec<u8>, (i64, u32))>,
    lease_count: u64,
    record_count: u64,
    crc: u32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Next {
    Header,
    Auth,
    Leases,
    Records,
    End,
    Nothing,
}

impl Writer {
    /// A writer of `state`, which stands in the log where `meta` says.
    pub fn new(meta: SnapshotMeta, state: StateView) -> Writer {
        assert_eq!(meta.index, state.applied.0, "a snapshot holds the state at its index");
        let auth = AuthWriter::new(state.auth.clone());
        Writer {
            state,
            meta,
            next: Next::Header,
            auth,
            last_lease: None,
            last_record: None,
            lease_count: 0,
            record_count: 0,
            crc: 0,
        }
    }

    /// The next piece, about 64 KiB; `None` after the last.
    pub fn next_piece(&mut self) -> Option<Vec<u8>> {
        match self.next {
            Next::Header => {
                self.next = Next::Auth;
                let mut out = MAGIC.to_vec();
                out.put_u32_field(FORMAT_VERSION);
                let payload = self.header();
                self.put_section(&mut out, section::HEADER, &payload);
                Some(out)
            }
            Next::Auth => match self.auth.next_piece(SECTION_BYTES) {
                Some(payload) => Some(self.section(section::AUTH, &payload)),
                None => {
                    self.next = Next::Leases;
                    self.next_piece()
                }
            },
            Next::Leases => match self.lease_payload() {
                Some(payload) => Some(self.section(section::LEASES, &payload)),
                None => {
                    self.next = Next::Records;
                    self.next_piece()
                }
            },
            Next::Records => match self.record_payload() {
                Some(payload) => Some(self.section(section::RECORDS, &payload)),
                None => {
                    self.next = Next::End;
                    self.next_piece()
                }
            },
            Next::End => {
                self.next = Next::Nothing;
                let mut payload = Vec::new();
                payload.put_u64_field(self.lease_count);
                payload.put_u64_field(self.record_count);
                payload.extend_from_slice(&self.state.hash.to_le_bytes());
                Some(self.section(section::END, &payload))
            }
            Next::Nothing => None,
        }
    }

    fn header(&self) -> Vec<u8> {
        let mut payload = Vec::new();
        payload.put_u64_field(self.state.cluster.0);
        payload.put_u64_field(self.meta.index);
        payload.put_u64_field(self.meta.term);
        for members in [&self.meta.voters, &self.meta.learners] {
            payload.put_u32_field(u32::try_from(members.len()).expect("a few members"));
            for member in members {
                payload.put_u64_field(member.0);
            }
        }
        payload.put_i64_field(self.state.mvcc.revision());
        payload.put_i64_field(self.state.mvcc.compacted_revision());
        payload.put_u64_field(self.state.leases.grants());
        put_alarms(&mut payload, &self.state.alarms);
        put_members(&mut payload, &self.state.members);
        self.state.auth.put_summary(&mut payload);
        self.state.window.encode(&mut payload);
        payload
    }

    /// The next leases; `None` where all are written.
    fn lease_payload(&mut self) -> Option<Vec<u8>> {
        let mut payload = Vec::new();
        for lease in self.state.leases.iter_after(self.last_lease) {
            payload.put_i64_field(lease.id.0);
            payload.put_u64_field(lease.grant_number);
            payload.put_i64_field(lease.granted_ttl_secs);
            payload.put_bool_field(lease.remaining_ttl_secs.is_some());
            payload.put_i64_field(lease.remaining_ttl_secs.unwrap_or(0));
            self.lease_count += 1;
            self.last_lease = Some(lease.id);
            if payload.len() >= SECTION_BYTES {
                break;
            }
        }
        (!payload.is_empty()).then_some(payload)
    }

    /// The next records; `None` where all are written.
    fn record_payload(&mut self) -> Option<Vec<u8>> {
        let mut payload = Vec::new();
        let (from, after) = match &self.last_record {
            Some((key, position)) => (key.as_slice(), Some((key.as_slice(), *position))),
            None => (&[][..], None),
        };
        let is_written = |record: &&RecordRef| {
            after.is_some_and(|(key, last)| record.key() == key && record.position() <= last)
        };
        let mut last: Option<&RecordRef> = None;
        for record in self.state.mvcc.records_from(from).skip_while(is_written) {
            let is_new_key = last.is_none_or(|last| last.key() != record.key());
            let is_full = payload.len() >= if is_new_key { SECTION_BYTES } else { SECTION_BYTES_WITHIN_KEY };
            if is_full {
                break;
            }
            payload.put_i64_field(record.create_revision());
            payload.put_i64_field(record.mod_revision());
            payload.put_u32_field(record.sub());
            payload.put_i64_field(record.version());
            payload.put_i64_field(record.lease().0);
            payload.put_bytes_field(record.key());
            payload.put_bytes_field(record.value());
            self.record_count += 1;
            last = Some(record);
        }
        let last = last.map(|record| (record.key().to_vec(), record.position()));
        last.map(|last| {
            self.last_record = Some(last);
            payload
        })
    }

    fn section(&mut self, kind: u8, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(payload.len() + 9);
        self.put_section(&mut out, kind, payload);
        out
    }

    /// Kind, length, payload, and the checksum of all that and of every section before.
    fn put_section(&mut self, out: &mut Vec<u8>, kind: u8, payload: &[u8]) {
        let start = out.len();
        out.put_u8_field(kind);
        out.put_bytes_field(payload);
        self.crc = crc32c::crc32c_append(self.crc, &out[start..]);
        out.put_u32_field(self.crc);
    }
}
