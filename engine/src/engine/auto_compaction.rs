//! `--auto-compaction-mode`: which revision to compact to, and when (etcd `api/v3compactor`).
//!
//! Every member keeps the samples, so that a new leader knows how old each revision is; only the leader proposes.

use crate::config::AutoCompaction;
use crate::time::Time;
use std::collections::VecDeque;

const HOUR_MS: u64 = 60 * 60 * 1000;
/// How often the revision mode looks.
const REVISION_INTERVAL_MS: u64 = 5 * 60 * 1000;
/// Samples in one compaction interval of the periodic mode.
const SAMPLES: u64 = 10;

#[derive(Debug)]
pub(super) struct AutoCompactor {
    mode: AutoCompaction,
    next_at: Option<Time>,
    /// Revisions by age, the periodic mode's.
    samples: VecDeque<(Time, i64)>,
    next_compaction_at: Time,
}

impl AutoCompactor {
    pub(super) fn new(mode: AutoCompaction, now: Time) -> AutoCompactor {
        let (next_at, next_compaction_at) = match mode {
            AutoCompaction::Off => (None, now),
            // A whole period has to pass before anything is known to be that old.
            AutoCompaction::PeriodMs(period_ms) => (Some(now), now.plus_ms(period_ms)),
            AutoCompaction::Revisions(_) => (Some(now.plus_ms(REVISION_INTERVAL_MS)), now),
        };
        AutoCompactor { mode, next_at, samples: VecDeque::new(), next_compaction_at }
    }

    pub(super) fn next_at(&self) -> Option<Time> {
        self.next_at
    }

    /// The revision to compact to, if it is time; `revision` is the current one.
    pub(super) fn due(&mut self, now: Time, revision: i64) -> Option<i64> {
        self.next_at.filter(|at| *at <= now)?;
        match self.mode {
            AutoCompaction::Off => None,
            AutoCompaction::Revisions(retention) => {
                self.next_at = Some(now.plus_ms(REVISION_INTERVAL_MS));
                Some(revision.saturating_sub(retention)).filter(|to| *to > 0)
            }
            AutoCompaction::PeriodMs(period_ms) => self.sample(now, revision, period_ms),
        }
    }

    fn sample(&mut self, now: Time, revision: i64, period_ms: u64) -> Option<i64> {
        let interval_ms = period_ms.min(HOUR_MS);
        self.next_at = Some(now.plus_ms((interval_ms / SAMPLES).max(1)));
        self.samples.push_back((now, revision));
        let mut old_enough = None;
        while let Some((at, revision)) = self.samples.front()
            && now.ms_since(*at) >= period_ms
        {
            old_enough = Some((*at, *revision));
            self.samples.pop_front();
        }
        let (at, revision) = old_enough?;
        // It stays the oldest until a younger one is old enough.
        self.samples.push_front((at, revision));
        if now < self.next_compaction_at {
            return None;
        }
        self.next_compaction_at = now.plus_ms(interval_ms);
        Some(revision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every minute's revision is its number; what is compacted to, and when, in minutes.
    fn compactions(mode: AutoCompaction, minutes: i64) -> Vec<(i64, i64)> {
        let mut compactor = AutoCompactor::new(mode, Time::ZERO);
        (0..=minutes)
            .filter_map(|minute| {
                let now = Time::from_ms(minute.unsigned_abs() * 60_000);
                compactor.due(now, minute + 1).map(|to| (minute, to))
            })
            .collect()
    }

    #[test]
    fn periodic_keeps_what_is_younger_than_the_period() {
        let hour = AutoCompaction::PeriodMs(HOUR_MS);
        assert_eq!(compactions(hour, 200), [(60, 1), (120, 61), (180, 121)]);
    }

    #[test]
    fn a_period_of_days_is_looked_at_every_hour() {
        let two_hours = AutoCompaction::PeriodMs(2 * HOUR_MS);
        assert_eq!(compactions(two_hours, 250), [(120, 1), (180, 61), (240, 121)]);
    }

    #[test]
    fn revision_mode_keeps_so_many_and_looks_every_five_minutes() {
        assert_eq!(compactions(AutoCompaction::Revisions(8), 16), [(10, 3), (15, 8)]);
    }

    #[test]
    fn off_never_compacts() {
        assert_eq!(compactions(AutoCompaction::Off, 1000), []);
    }
}
