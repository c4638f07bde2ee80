//! From records to the log they add up to.

use crate::ids::MemberId;
use crate::raft::{HardState, LogEntry, LogRecord, RecoveredLog, SnapshotMeta};
use bytes::Bytes;

/// Where the log stands after its last record. The shell keeps one, to write it into the next segment's header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogTail {
    /// In force.
    pub hard_state: HardState,
    /// The last entry, 0 for none.
    pub last_index: u64,
    /// Its term.
    pub last_term: u64,
}

impl LogTail {
    /// A record was written.
    pub fn note(&mut self, record: &LogRecord) {
        match record {
            LogRecord::Append { hard_state, entries } => {
                self.hard_state = hard_state.unwrap_or(self.hard_state);
                if let Some(last) = entries.last() {
                    (self.last_index, self.last_term) = (last.index, last.term);
                }
            }
            LogRecord::Installed { hard_state, meta } => {
                *self = LogTail { hard_state: *hard_state, last_index: meta.index, last_term: meta.term };
            }
        }
    }
}

/// Records that are whole and yet do not add up to a log: written by a faulty release, or files are missing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// Entries are missing in between.
    #[error("entry {found} follows entry {last}")]
    Gap {
        /// The last one before it.
        last: u64,
        /// The one found.
        found: u64,
    },
    /// An entry replaces one that is committed.
    #[error("entry {found} replaces one that is committed (up to {commit})")]
    Overwrites {
        /// The one found.
        found: u64,
        /// As the hard state before it says.
        commit: u64,
    },
    /// Terms only go up, in a log and in the hard state.
    #[error("{what} went back from term {before} to {found}")]
    TermBack {
        /// Which one.
        what: &'static str,
        /// Before.
        before: u64,
        /// Found.
        found: u64,
    },
    /// A vote that was given is another within its term: this member would have voted twice.
    #[error("the vote of term {term} was for {before}, then for {found}")]
    Vote {
        /// The term.
        term: u64,
        /// Whom it was given first.
        before: MemberId,
        /// Whom it was given then.
        found: MemberId,
    },
    /// The hard state counts entries as committed that are not there, or forgets some that were.
    #[error("commit {commit} in a log of {last} whose commit was {before}")]
    Commit {
        /// As the hard state says.
        commit: u64,
        /// The commit before it.
        before: u64,
        /// The last entry.
        last: u64,
    },
    /// A segment does not continue the one before it.
    #[error("segment begins at {found:?}, the one before it ends at {expected:?}")]
    Segment {
        /// As the records add up.
        expected: LogTail,
        /// As the header says.
        found: LogTail,
    },
    /// The newest snapshot is too old for the oldest segment: files are missing.
    #[error("the newest snapshot stands at {snapshot}, the log begins after {base}")]
    MissingEntries {
        /// The snapshot's index.
        snapshot: u64,
        /// What the log follows.
        base: u64,
    },
    /// The snapshot stands after the log's end: no record says that it was installed.
    #[error(
        "the newest snapshot stands at {snapshot}, the log ends at {last} and does not say that it was installed"
    )]
    NotInstalled {
        /// The snapshot's index.
        snapshot: u64,
        /// The log's last entry.
        last: u64,
    },
    /// The snapshot and the log disagree about an entry.
    #[error("entry {index} has term {log} in the log and term {snapshot} in the snapshot")]
    SnapshotDiffers {
        /// Where.
        index: u64,
        /// Its term in the log.
        log: u64,
        /// The snapshot's.
        snapshot: u64,
    },
}

/// Adds records up to a log, oldest first.
#[derive(Clone, Debug, Default)]
pub struct LogReplay {
    has_begun: bool,
    tail: LogTail,
    /// The last entry before the first segment read: the newest snapshot covers all up to it, or files are missing.
    removed: u64,
    /// What the first of `entries` follows. Its term is 0 where it was only in segments that are removed.
    base: (u64, u64),
    entries: Vec<LogEntry>,
    /// A snapshot covers the entries up to here: what is in them is not kept.
    covered: u64,
}

impl LogReplay {
    /// A log without a beginning: the first segment's header gives it one.
    pub fn new() -> LogReplay {
        LogReplay::default()
    }

    /// As `new`, of a log that is to be finished with a snapshot at this index or later.
    pub fn after(covered: u64) -> LogReplay {
        LogReplay { covered, ..LogReplay::default() }
    }

    /// Where the log stands: what the next segment's header is to say.
    pub fn tail(&self) -> LogTail {
        self.tail
    }

    /// A segment begins.
    ///
    /// # Errors
    /// It does not continue what came before.
    pub fn begin_segment(&mut self, header: &super::SegmentHeader) -> Result<(), ReplayError> {
        if self.has_begun && header.tail != self.tail {
            return Err(ReplayError::Segment { expected: self.tail, found: header.tail });
        }
        if !self.has_begun {
            self.has_begun = true;
            self.tail = header.tail;
            self.base = (header.tail.last_index, header.tail.last_term);
            self.removed = header.tail.last_index;
        }
        Ok(())
    }

    /// One record.
    ///
    /// # Errors
    /// It does not continue what came before.
    pub fn push(&mut self, record: LogRecord) -> Result<(), ReplayError> {
        self.has_begun = true;
        let before = self.tail.hard_state;
        match &record {
            LogRecord::Append { entries, .. } => self.check_entries(entries)?,
            // The snapshot replaces whatever was here; a commit beyond it would have refused it.
            LogRecord::Installed { .. } => {}
        }
        self.tail.note(&record);
        self.check_hard_state(before)?;
        match record {
            LogRecord::Append { entries, .. } => {
                if let Some(first) = entries.first() {
                    if first.index <= self.base.0 {
                        // A new leader replaced what the removed segments ended with and nobody had committed.
                        self.base = (first.index - 1, 0);
                    }
                    let kept =
                        usize::try_from(first.index - self.base.0 - 1).expect("within the entries kept");
                    self.entries.truncate(kept);
                }
                let covered = self.covered;
                let kept = |entry: LogEntry| match entry.index <= covered {
                    true => LogEntry { data: Bytes::new(), ..entry },
                    false => entry,
                };
                self.entries.extend(entries.into_iter().map(kept));
            }
            LogRecord::Installed { meta, .. } => {
                self.entries.clear();
                self.base = (meta.index, meta.term);
            }
        }
        Ok(())
    }

    fn check_entries(&self, entries: &[LogEntry]) -> Result<(), ReplayError> {
        let Some(first) = entries.first() else { return Ok(()) };
        let commit = self.tail.hard_state.commit;
        if first.index <= commit {
            return Err(ReplayError::Overwrites { found: first.index, commit });
        }
        if first.index - 1 > self.tail.last_index {
            return Err(ReplayError::Gap { last: self.tail.last_index, found: first.index });
        }
        let mut last = (first.index - 1, self.term_at(first.index - 1).unwrap_or(0));
        for entry in entries {
            if Some(entry.index) != last.0.checked_add(1) {
                return Err(ReplayError::Gap { last: last.0, found: entry.index });
            }
            if entry.term < last.1 {
                return Err(ReplayError::TermBack { what: "the log", before: last.1, found: entry.term });
            }
            last = (entry.index, entry.term);
        }
        Ok(())
    }

    fn check_hard_state(&self, before: HardState) -> Result<(), ReplayError> {
        let LogTail { hard_state, last_index, last_term } = self.tail;
        let HardState { term, vote, commit } = hard_state;
        if term < before.term {
            return Err(ReplayError::TermBack { what: "the hard state", before: before.term, found: term });
        }
        if term < last_term {
            return Err(ReplayError::TermBack { what: "the hard state", before: last_term, found: term });
        }
        // I11
        if term == before.term && vote != before.vote && before.vote != MemberId(0) {
            return Err(ReplayError::Vote { term, before: before.vote, found: vote });
        }
        if commit < before.commit || commit > last_index {
            return Err(ReplayError::Commit { commit, before: before.commit, last: last_index });
        }
        Ok(())
    }

    /// The term at an index of the log, its base included.
    fn term_at(&self, index: u64) -> Option<u64> {
        if index == self.base.0 {
            return Some(self.base.1);
        }
        let at = usize::try_from(index.checked_sub(self.base.0)?.checked_sub(1)?).ok()?;
        self.entries.get(at).map(|entry| entry.term)
    }

    /// I17: whether the log says of a snapshot at this place that it is this member's: it holds the entry there, which was
    /// persisted before it was applied and long before a snapshot of it was written; or the record that a snapshot
    /// was installed there. A file that stands anywhere else was received and not installed, or never received.
    pub fn vouches_for(&self, index: u64, term: u64) -> bool {
        self.term_at(index) == Some(term)
    }

    /// The log after the newest snapshot that it vouches for.
    ///
    /// # Errors
    /// The snapshot is older than the log's beginning, or not one that the log vouches for.
    pub fn finish(self, snapshot: &SnapshotMeta) -> Result<RecoveredLog, ReplayError> {
        let (index, covered) = (snapshot.index, self.covered);
        assert!(index >= covered, "a snapshot at {index}, where one at {covered} was to come");
        let found = self.tail.hard_state;
        let base = self.base.0.max(self.removed);
        if snapshot.index < base {
            return Err(ReplayError::MissingEntries { snapshot: snapshot.index, base });
        }
        let hard_state = HardState { commit: found.commit.max(snapshot.index), ..found };
        match self.term_at(snapshot.index) {
            Some(term) if term == snapshot.term => {
                let obsolete =
                    usize::try_from(snapshot.index - self.base.0).expect("within the entries kept");
                let entries = self.entries.into_iter().skip(obsolete).collect();
                Ok(RecoveredLog { hard_state, entries })
            }
            Some(log) => {
                let (index, snapshot) = (snapshot.index, snapshot.term);
                Err(ReplayError::SnapshotDiffers { index, log, snapshot })
            }
            None => Err(ReplayError::NotInstalled { snapshot: snapshot.index, last: self.tail.last_index }),
        }
    }
}
