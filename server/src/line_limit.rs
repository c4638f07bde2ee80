//! Lines of the log that a peer or a client can cause, however often it likes: one a second, which says how many
//! were left out since the last.

use detcd_engine::time::Time;
use std::sync::Mutex;

/// Between two lines of one kind.
const LINE_EVERY_MS: u64 = 1000;

/// One kind of line.
#[derive(Debug, Default)]
pub struct LineLimit(Mutex<Lines>);

#[derive(Debug, Default)]
struct Lines {
    logged_at: Option<Time>,
    left_out: u64,
}

impl LineLimit {
    /// Nothing logged yet.
    pub const fn new() -> LineLimit {
        LineLimit(Mutex::new(Lines { logged_at: None, left_out: 0 }))
    }

    /// Whether a line may be written now: how many were left out since the last one; `None` where this one is left
    /// out, too.
    pub fn due(&self, now: Time) -> Option<u64> {
        let mut lines = self.0.lock().expect("no panic while it is held");
        if lines.logged_at.is_some_and(|at| now.ms_since(at) < LINE_EVERY_MS) {
            lines.left_out += 1;
            return None;
        }
        lines.logged_at = Some(now);
        Some(std::mem::take(&mut lines.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_second_says_how_many_were_left_out() {
        let limit = LineLimit::new();
        let due: Vec<_> = (0..3000).filter_map(|ms| limit.due(Time::from_ms(ms))).collect();
        assert_eq!(due, [0, 999, 999]);
        assert_eq!(limit.due(Time::from_ms(3500)), Some(999), "the last second's, however late");
    }
}
