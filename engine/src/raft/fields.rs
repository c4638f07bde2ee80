//! How entries, the hard state and a snapshot's place are laid out in bytes: once, for the write-ahead log and for
//! peer frames alike. Byte by byte in docs/data-format.md.

use super::{EntryKind, HardState, LogEntry, SnapshotMeta};
use crate::codec::{DecodeError, Decoder, Encode};
use crate::ids::MemberId;
use bytes::Bytes;

/// Term, index, kind, the length of the data.
const ENTRY_BYTES_MIN: usize = 8 + 8 + 1 + 4;

pub(crate) fn put_hard_state(out: &mut Vec<u8>, hard_state: &HardState) {
    out.put_u64_field(hard_state.term);
    out.put_u64_field(hard_state.vote.0);
    out.put_u64_field(hard_state.commit);
}

pub(crate) fn hard_state(decoder: &mut Decoder) -> Result<HardState, DecodeError> {
    Ok(HardState {
        term: decoder.u64("hard state, term")?,
        vote: MemberId(decoder.u64("hard state, vote")?),
        commit: decoder.u64("hard state, commit")?,
    })
}

pub(crate) fn put_snapshot_meta(out: &mut Vec<u8>, meta: &SnapshotMeta) {
    out.put_u64_field(meta.index);
    out.put_u64_field(meta.term);
    for members in [&meta.voters, &meta.learners] {
        out.put_u32_field(u32::try_from(members.len()).expect("a cluster has few members"));
        for member in members {
            out.put_u64_field(member.0);
        }
    }
}

pub(crate) fn snapshot_meta(decoder: &mut Decoder) -> Result<SnapshotMeta, DecodeError> {
    Ok(SnapshotMeta {
        index: decoder.u64("snapshot, index")?,
        term: decoder.u64("snapshot, term")?,
        voters: members(decoder, "snapshot, voters")?,
        learners: members(decoder, "snapshot, learners")?,
    })
}

fn members(decoder: &mut Decoder, what: &'static str) -> Result<Vec<MemberId>, DecodeError> {
    let count = decoder.count(what, 8)?;
    let members = (0..count).map(|_| decoder.u64(what).map(MemberId)).collect::<Result<Vec<_>, _>>()?;
    if members.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err(decoder.error(what, format!("not ascending: {members:?}")));
    }
    Ok(members)
}

pub(crate) fn put_entries(out: &mut Vec<u8>, entries: &[LogEntry]) {
    out.put_u32_field(u32::try_from(entries.len()).expect("a batch is far below 2^32 entries"));
    for entry in entries {
        out.put_u64_field(entry.term);
        out.put_u64_field(entry.index);
        out.put_u8_field(match entry.kind {
            EntryKind::Commands => 1,
            EntryKind::Membership => 2,
        });
        out.put_bytes_field(&entry.data);
    }
}

/// Entries that own their data: one that is kept for long must not pin what it was read from, a whole segment or a
/// frame with a hundred others.
pub(crate) fn entries(decoder: &mut Decoder) -> Result<Vec<LogEntry>, DecodeError> {
    let count = decoder.count("entries", ENTRY_BYTES_MIN)?;
    let mut entries = Vec::new();
    for _ in 0..count {
        let term = decoder.u64("entry, term")?;
        let index = decoder.u64("entry, index")?;
        let kind = match decoder.u8("entry, kind")? {
            1 => EntryKind::Commands,
            2 => EntryKind::Membership,
            other => return Err(decoder.error("entry, kind", format!("1 or 2 wanted, {other} found"))),
        };
        let data = owned(decoder.bytes("entry, data")?);
        entries.push(LogEntry { term, index, kind, data });
    }
    Ok(entries)
}

/// A copy of its own.
pub(crate) fn owned(slice: Bytes) -> Bytes {
    Bytes::copy_from_slice(&slice)
}

/// What `put_entries` will write for one entry.
pub(crate) fn entry_bytes(entry: &LogEntry) -> usize {
    ENTRY_BYTES_MIN + entry.data.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_of_what_cannot_follow_is_refused_by_itself() {
        let entry = LogEntry { term: 1, index: 1, kind: EntryKind::Commands, data: Bytes::new() };
        let mut out = Vec::new();
        put_entries(&mut out, &vec![entry.clone(); 3]);
        assert_eq!(out.len(), 4 + 3 * entry_bytes(&entry));
        assert_eq!(entries(&mut Decoder::new(out.clone().into())), Ok(vec![entry; 3]));
        out.pop();
        assert_eq!(entries(&mut Decoder::new(out.into())).expect_err("cut").what, "entries");
        let mut out = Vec::new();
        put_snapshot_meta(
            &mut out,
            &SnapshotMeta { voters: vec![MemberId(1), MemberId(2)], ..SnapshotMeta::default() },
        );
        out.truncate(out.len() - 5);
        assert_eq!(snapshot_meta(&mut Decoder::new(out.into())).expect_err("cut").at, 20);
    }
}
