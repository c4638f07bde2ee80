//! A fault. Its name in a case file is the variant's, in snake case, and is never changed.

use crate::disk::{Damage, DamagedFile, OperationKind};
use crate::network::{FrameKind, Link};
use serde::{Deserialize, Serialize};

/// A link that holds back for a while what is sent over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clog {
    /// Which.
    pub link: Link,
    /// Since the fault.
    pub after_ms: u64,
    /// For so long.
    pub for_ms: u64,
}

/// A fault. Members are named by their place.
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
    /// The process ends at once, as by SIGKILL; the machine stays up and keeps what was written.
    Abort {
        /// Which.
        member: usize,
        /// Not started again for so long.
        down_ms: u64,
    },
    /// The machine loses power again and again: in the middle of this many-th disk operation of each of its next
    /// boots.
    Storm {
        /// Which.
        member: usize,
        /// One a boot.
        operations: Vec<u64>,
    },
    /// The member stops as it does on SIGTERM, and starts again at once.
    StopInOrder {
        /// Which.
        member: usize,
    },
    /// The process is paused; its disk and the network are not.
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
    /// The leader is cut off: nothing that is sent to it or by it from now on arrives. What is in flight to it
    /// already arrives, but late.
    CutOffLeader {
        /// By the places of the others: what is in flight from there takes so long at least.
        late_ms: Vec<u64>,
        /// For so long.
        for_ms: u64,
    },
    /// The leader is cut off as above, and the last answer of each other member to a heartbeat that confirms reads
    /// arrives at it again and again: the leader of an earlier term counts them and steps down late.
    RepeatAnswers {
        /// One of each member in this time.
        each_ms: u64,
        /// For so long.
        for_ms: u64,
    },
    /// Links hold back what is sent, one after another, and let it go in another order.
    Swizzle {
        /// Which, when and for how long.
        clogs: Vec<Clog>,
    },
    /// Of one kind of frames, some are lost.
    Lose {
        /// On these links.
        links: Vec<Link>,
        /// Which.
        kind: FrameKind,
        /// So many in a million.
        per_million: u32,
        /// For so long.
        for_ms: u64,
    },
    /// Syncs of the log take long.
    SlowSyncs {
        /// Whose.
        member: usize,
        /// So long.
        sync_ms: u64,
        /// For so long.
        for_ms: u64,
    },
    /// Whatever is done to a snapshot on the disk takes long.
    SlowSnapshots {
        /// Whose.
        member: usize,
        /// So long, each time.
        each_ms: u64,
        /// For so long.
        for_ms: u64,
    },
    /// An operation of the disk fails with an input/output error.
    FailDisk {
        /// Whose.
        member: usize,
        /// Of which kind.
        operation: OperationKind,
        /// After so many more of that kind.
        after: u64,
    },
    /// The disk has no room.
    FullDisk {
        /// Whose.
        member: usize,
        /// For so long.
        for_ms: u64,
    },
    /// Durable data of a file is damaged. A member that notices stays down.
    Rot {
        /// Whose.
        member: usize,
        /// Which.
        file: DamagedFile,
        /// How.
        damage: Damage,
        /// Where, in millionths of what can be damaged.
        at_per_million: u32,
        /// The machine loses power as well, so that the member comes to read it.
        kills: bool,
    },
    /// The machine loses power and its disk is empty. The member does not come back.
    Wipe {
        /// Whose.
        member: usize,
        /// After so long an imposter is started under its name, once the others have applied its incarnation; `None`
        /// for never.
        #[serde(default)]
        stranger_after_ms: Option<u64>,
    },
    /// An intruder on the peer port sends a member a snapshot of a state that no member had: see `cluster/intruder.rs`.
    SendSnapshot {
        /// Whom.
        member: usize,
        /// As this member, counted on from the receiver; as no member where that is the receiver itself.
        from: usize,
        /// It has overheard the leader: it sends with its incarnation and term.
        overhears: bool,
        /// In so many pieces.
        pieces: usize,
        /// Of which so many in a million are sent.
        sent_per_million: u32,
        /// Then the machine loses power, for so long; `None` where it does not.
        down_ms: Option<u64>,
    },
    /// The machine loses power, and comes back with a snapshot in its directory that the member never had.
    LeaveSnapshot {
        /// Which.
        member: usize,
        /// Its index is so far beyond what the member had applied.
        ahead: u64,
        /// Without power for so long.
        down_ms: u64,
    },
    /// A member's clock stalls.
    ClockStall {
        /// Whose.
        member: usize,
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

/// A fault and its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedFault {
    /// From the start.
    pub at_ms: u64,
    /// What happens.
    pub fault: Fault,
}

impl Fault {
    /// Its name in a case file.
    pub fn name(&self) -> &'static str {
        match self {
            Fault::Kill { .. } => "kill",
            Fault::KillAtOperation { .. } => "kill_at_operation",
            Fault::KillAll { .. } => "kill_all",
            Fault::Abort { .. } => "abort",
            Fault::Storm { .. } => "storm",
            Fault::StopInOrder { .. } => "stop_in_order",
            Fault::Pause { .. } => "pause",
            Fault::Cut { .. } => "cut",
            Fault::CutOffLeader { .. } => "cut_off_leader",
            Fault::RepeatAnswers { .. } => "repeat_answers",
            Fault::Swizzle { .. } => "swizzle",
            Fault::Lose { .. } => "lose",
            Fault::SlowSyncs { .. } => "slow_syncs",
            Fault::SlowSnapshots { .. } => "slow_snapshots",
            Fault::FailDisk { .. } => "fail_disk",
            Fault::FullDisk { .. } => "full_disk",
            Fault::Rot { .. } => "rot",
            Fault::Wipe { .. } => "wipe",
            Fault::SendSnapshot { .. } => "send_snapshot",
            Fault::LeaveSnapshot { .. } => "leave_snapshot",
            Fault::ClockStall { .. } => "clock_stall",
            Fault::ClockRate { .. } => "clock_rate",
            Fault::ClockJump { .. } => "clock_jump",
        }
    }

    /// Whether the member may not start again after it: so few are chosen for it that the others are a quorum.
    pub fn is_final(&self) -> bool {
        matches!(self, Fault::Rot { .. } | Fault::Wipe { .. })
    }

    /// The members it names.
    pub fn members(&self) -> Vec<usize> {
        match self {
            Fault::KillAll { .. } | Fault::CutOffLeader { .. } | Fault::RepeatAnswers { .. } => Vec::new(),
            Fault::Kill { member, .. }
            | Fault::KillAtOperation { member, .. }
            | Fault::Abort { member, .. }
            | Fault::Storm { member, .. }
            | Fault::StopInOrder { member }
            | Fault::SlowSyncs { member, .. }
            | Fault::SlowSnapshots { member, .. }
            | Fault::FailDisk { member, .. }
            | Fault::FullDisk { member, .. }
            | Fault::Rot { member, .. }
            | Fault::Wipe { member, .. }
            | Fault::SendSnapshot { member, .. }
            | Fault::LeaveSnapshot { member, .. }
            | Fault::ClockStall { member, .. }
            | Fault::Pause { member, .. }
            | Fault::ClockRate { member, .. }
            | Fault::ClockJump { member, .. } => vec![*member],
            Fault::Cut { links, .. } | Fault::Lose { links, .. } => {
                links.iter().flat_map(|link| [link.from, link.to]).collect()
            }
            Fault::Swizzle { clogs } => {
                clogs.iter().flat_map(|clog| [clog.link.from, clog.link.to]).collect()
            }
        }
    }
}
