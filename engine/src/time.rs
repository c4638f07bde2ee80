//! Time, as an argument: milliseconds since the member started, monotonic, never a wall clock.

/// A moment, in milliseconds since the member started.
///
/// Only the shell reads a clock. It hands the engine a `Time` that never goes back; a clock that jumps forward
/// (a paused process) is seen as one large step. Nothing in the replicated state is a `Time`: members would differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    /// The moment the member started.
    pub const ZERO: Time = Time(0);

    /// A moment `ms` milliseconds after the start.
    pub const fn from_ms(ms: u64) -> Time {
        Time(ms)
    }

    /// Milliseconds since the start.
    pub const fn as_ms(self) -> u64 {
        self.0
    }

    /// The moment `ms` later; the far end of time where that would overflow.
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Time {
        Time(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to here; zero if `earlier` is in fact later.
    pub const fn ms_since(self, earlier: Time) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}
