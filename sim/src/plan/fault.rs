//! One thing that goes wrong. Its name in a case file is the variant's, in snake case, and is never changed.

use serde::{Deserialize, Serialize};

/// One direction between two members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// Who sends.
    pub from: usize,
    /// Who does not hear it.
    pub to: usize,
}

impl Link {
    /// Every direction between any two of so many members.
    pub fn all(members: usize) -> impl Iterator<Item = Link> {
        let pairs = (0..members).flat_map(move |from| (0..members).map(move |to| Link { from, to }));
        pairs.filter(|link| link.from != link.to)
    }
}

/// One thing that goes wrong. Members are named by their place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// The machine loses power and comes back.
    Kill {
        /// Which.
        member: usize,
        /// Without power for so long.
        down_ms: u64,
    },
    /// As `Kill`, in the middle of its so many-th disk operation from now.
    KillAtOperation {
        /// Which.
        member: usize,
        /// How many operations are still done.
        operations: u64,
        /// Without power for so long.
        down_ms: u64,
    },
    /// All machines lose power at once.
    KillAll {
        /// Without power for so long.
        down_ms: u64,
    },
    /// The member stops as it does on SIGTERM, and starts again at once.
    StopInOrder {
        /// Which.
        member: usize,
    },
    /// The process stands still; its disk and what arrives for it do not.
    Pause {
        /// Which.
        member: usize,
        /// For so long.
        for_ms: u64,
    },
    /// Nothing passes these links.
    Cut {
        /// Which.
        links: Vec<Link>,
        /// For so long.
        for_ms: u64,
    },
    /// A machine's clock runs at another rate, also after a start.
    ClockRate {
        /// Which.
        member: usize,
        /// It shows so many microseconds a second; a million is true.
        micros_per_second: u32,
    },
    /// A member's clock jumps forward.
    ClockJump {
        /// Which.
        member: usize,
        /// By so much.
        by_ms: u64,
    },
}

impl Fault {
    /// Its name in a case file.
    pub fn name(&self) -> &'static str {
        match self {
            Fault::Kill { .. } => "kill",
            Fault::KillAtOperation { .. } => "kill_at_operation",
            Fault::KillAll { .. } => "kill_all",
            Fault::StopInOrder { .. } => "stop_in_order",
            Fault::Pause { .. } => "pause",
            Fault::Cut { .. } => "cut",
            Fault::ClockRate { .. } => "clock_rate",
            Fault::ClockJump { .. } => "clock_jump",
        }
    }

    /// The members it names.
    pub fn members(&self) -> Vec<usize> {
        match self {
            Fault::KillAll { .. } => Vec::new(),
            Fault::Kill { member, .. }
            | Fault::KillAtOperation { member, .. }
            | Fault::StopInOrder { member }
            | Fault::Pause { member, .. }
            | Fault::ClockRate { member, .. }
            | Fault::ClockJump { member, .. } => vec![*member],
            Fault::Cut { links, .. } => links.iter().flat_map(|link| [link.from, link.to]).collect(),
        }
    }
}
