//! Alarms (docs/etcd-notes.md#alarms). Status is not a request: it is read from `Engine::status`.

use crate::ids::MemberId;

/// etcd's `AlarmType` without NONE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AlarmKind {
    /// The state has outgrown the quota: nothing that grows it is accepted.
    NoSpace,
    /// The members disagree: nothing that goes through the log is accepted.
    Corrupt,
}

/// One alarm of one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Alarm {
    /// What is wrong.
    pub kind: AlarmKind,
    /// Where.
    pub member: MemberId,
}

/// List, raise or disarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlarmRequest {
    /// All alarms, or those of a kind.
    List(Option<AlarmKind>),
    /// Raise an alarm, through the log.
    Activate(Alarm),
    /// Disarm it, through the log. Disarming what is not raised answers with an empty list.
    Deactivate(Alarm),
}
