//! Why a running member ends: the tasks report it, and whoever holds the member ends the process.

use crate::disk::{DiskError, NEXT_STEP_OF_A_LOSS};
use detcd_engine::effects::LogLost;

/// Why a running member ended. Nothing can be done within the process.
#[derive(Debug, thiserror::Error)]
pub enum MemberError {
    /// A write or a sync failed: what the disk holds is unknown until it is read again.
    #[error("{0}; mend that and start the member again: it recovers from what its disk holds")]
    Disk(#[from] DiskError),
    /// What it acknowledged is gone: it can never catch up, and must not vote.
    #[error("{0}; {NEXT_STEP_OF_A_LOSS}")]
    LogLost(#[from] LogLost),
    /// The main loop is gone: an assertion did not hold, its message is in the log.
    #[error("the main loop ended; start the member again: it recovers from what its disk holds")]
    MainLoop,
}
