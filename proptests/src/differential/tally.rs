//! How much was compared.

use std::collections::BTreeMap;
use std::fmt;

/// Requests and their answers, by call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    by_call: BTreeMap<String, Row>,
    /// Responses and events on watch streams.
    pub(crate) watched: usize,
    /// Restarts of both servers.
    pub(crate) restarts: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Row {
    answered: usize,
    refused: usize,
}

impl Tally {
    /// One request was compared.
    pub(crate) fn count(&mut self, call: &str, refused: bool) {
        if !self.by_call.contains_key(call) {
            self.by_call.insert(call.to_owned(), Row::default());
        }
        let row = self.by_call.get_mut(call).expect("inserted just above");
        if refused { row.refused += 1 } else { row.answered += 1 }
    }

    /// All requests that were compared.
    pub(crate) fn requests(&self) -> usize {
        self.by_call.values().map(|row| row.answered + row.refused).sum()
    }

    /// Adds another's.
    pub(crate) fn add(&mut self, other: &Tally) {
        for (call, row) in &other.by_call {
            let sum = self.by_call.entry(call.clone()).or_default();
            sum.answered += row.answered;
            sum.refused += row.refused;
        }
        self.watched += other.watched;
        self.restarts += other.restarts;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<18} {:>9} {:>9} {:>9}", "call", "requests", "answered", "refused")?;
        for (call, row) in &self.by_call {
            let all = row.answered + row.refused;
            writeln!(f, "{call:<18} {all:>9} {:>9} {:>9}", row.answered, row.refused)?;
        }
        writeln!(f, "{:<18} {:>9}", "all", self.requests())?;
        write!(
            f,
            "responses and events on watch streams: {}; restarts of both: {}",
            self.watched, self.restarts
        )
    }
}
