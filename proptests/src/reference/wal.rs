//! The log on disk as a list of records, each with where it ends; and which of them survive a damage.

/// Records as they were written, of whatever kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Wal<R> {
    /// Where the first record begins.
    pub start: usize,
    records: Vec<Written<R>>,
}

#[derive(Clone, Debug, PartialEq)]
struct Written<R> {
    record: R,
    /// One past its last byte.
    end: usize,
    /// So much was durable when it was written.
    synced: usize,
}

/// What may be found of a damaged log.
#[derive(Clone, Debug, PartialEq)]
pub enum Survived<R> {
    /// These, and nothing else: the rest was never acknowledged, as far as the file tells.
    Records(Vec<R>),
    /// Something that was durable is gone: no part of it may be used.
    Corrupt,
}

impl<R: Clone> Wal<R> {
    /// An empty log whose first record begins at `start`.
    pub fn new(start: usize) -> Wal<R> {
        Wal { start, records: Vec::new() }
    }

    /// A record was written up to `end`, when `synced` bytes of the file were durable.
    pub fn wrote(&mut self, record: R, end: usize, synced: usize) {
        assert!(end > self.end() && synced <= self.end(), "{synced} durable, {end} after {}", self.end());
        self.records.push(Written { record, end, synced });
    }

    /// One past the last byte written.
    pub fn end(&self) -> usize {
        self.records.last().map_or(self.start, |last| last.end)
    }

    /// All that was written.
    pub fn all(&self) -> Vec<R> {
        self.records.iter().map(|written| written.record.clone()).collect()
    }

    /// The file ends after `bytes`.
    pub fn cut(&self, bytes: usize) -> Survived<R> {
        self.without(|written, _| written.end > bytes)
    }

    /// The byte at `at` is another.
    pub fn flipped(&self, at: usize) -> Survived<R> {
        self.without(|written, begin| (begin..written.end).contains(&at))
    }

    /// The bytes from `from` to `to` are others.
    pub fn overwritten(&self, from: usize, to: usize) -> Survived<R> {
        self.without(|written, begin| begin < to && from < written.end)
    }

    /// Everything before the first record that is gone, unless one after it says that it was durable.
    fn without(&self, is_gone: impl Fn(&Written<R>, usize) -> bool) -> Survived<R> {
        let mut begin = self.start;
        let mut survived = Vec::new();
        let mut gone_at = None;
        for written in &self.records {
            if is_gone(written, begin) {
                gone_at = gone_at.or(Some(begin));
            } else if let Some(gone_at) = gone_at {
                if written.synced > gone_at {
                    return Survived::Corrupt;
                }
            } else {
                survived.push(written.record.clone());
            }
            begin = written.end;
        }
        Survived::Records(survived)
    }
}
