//! The promises, each with a name that never changes (tables and case files contain it) and the words that a
//! failure begins with: the failure's text is the promise.

use std::fmt::Display;

macro_rules! promises {
    ($($promise:ident $name:literal $text:literal;)*) => {
        /// One promise.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Promise { $(#[doc = $text] $promise,)* }

        impl Promise {
            /// All of them.
            pub const ALL: &'static [Promise] = &[$(Promise::$promise,)*];

            /// Its name: snake case, for tables and files.
            pub fn name(self) -> &'static str {
                match self { $(Promise::$promise => $name,)* }
            }

            /// The promise in words.
            pub fn text(self) -> &'static str {
                match self { $(Promise::$promise => $text,)* }
            }
        }
    };
}

promises! {
    OneLeader "one_leader" "one leader in a term";
    OneVote "one_vote" "a member votes once in a term, whatever happens to it";
    Monotone "monotone" "term, commit and applied index only grow, in this order";
    LogsMatch "logs_match" "entries of one index and term are the same everywhere";
    LeaderComplete "leader_complete" "a leader has all that was committed before its term";
    NeverBack "never_back" "a leader sends a member nothing that the member has acknowledged to it";
    PersistedFirst "persisted_first" "what a member acknowledged or voted is on its disk";
    ReplicasAgree "replicas_agree" "members agree on the state at every applied index";
    Imposters "strangers" "a member whose disk was replaced takes part in nothing";
    Planted "planted" "a snapshot of a sender that does not lead is neither stored nor adopted";
    Starts "starts" "a member starts from whatever a crash left";
    StaysUp "stays_up" "a member does not end by itself";
    EndsWithItsDisk "ends_with_its_disk" "a member ends when its log or its snapshot cannot be written";
    FramesAccepted "frames_accepted" "a valid frame is accepted";
    FaultsRefused "faults_refused" "a frame with a fault is refused";
    SameHistory "same_history" "all members report the same history";
    Answers "answers" "a member at rest answers";
    NoRefusal "no_refusal" "a well-formed request is not refused";
    Linearizable "linearizable" "the store is linearizable";
    Acknowledged "acknowledged" "what a client received stays true";
    OnlyAsked "only_asked" "only what was asked for is written";
    Once "once" "a request is applied once";
    PastState "past_state" "a serializable read sees some past state";
    Compaction "compaction" "what is compacted is gone, and nothing else";
    WatchOrdered "watch_ordered" "a watch is ordered";
    WatchUnique "watch_unique" "a watch is unique: no event comes twice";
    WatchReliable "watch_reliable" "a watch is reliable: no event is left out";
    WatchAtomic "watch_atomic" "a watch is atomic: a revision comes whole";
    WatchBookmarks "watch_bookmarks" "a watch is bookmarkable: progress means that all before was sent";
    WatchReported "watch_reported" "a watch that asked for progress receives it while nothing happens";
    WatchEvents "watch_events" "an event reports what happened: key, value, versions, and the key before";
    WatchCancels "watch_cancels" "a watch is cancelled only when asked, refused or overtaken by compaction";
    LeaseNotEarly "lease_not_early" "a lease does not end before its time";
    LeaseNotLate "lease_not_late" "a lease that nobody keeps alive ends in time";
    LeaseGone "lease_gone" "a lease that has ended is gone";
    LeaseAtomic "lease_atomic" "a lease ends with all of its keys, in one revision";
    FencedWrites "one_in_seat" "only who has the oldest key under a prefix writes what that key guards";
    QueueOnce "queue_once" "an element of a queue is taken once at most, and only if it was put in";
    Progress "progress" "once all is whole every client is served";
    Converges "converges" "once all is whole and at rest, members come to the same index";
}

impl Promise {
    /// The text of a failure.
    pub fn broken(self, how: impl Display) -> String {
        format!("promise broken: {}, but {how}", self.text())
    }

    /// Which promise a failure's text names; `None` where an assertion of the engine's own did not hold.
    pub fn of(failure: &str) -> Option<Promise> {
        let said = failure.strip_prefix("promise broken: ")?;
        Promise::ALL.iter().copied().find(|promise| said.starts_with(promise.text()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_its_promise() {
        for promise in Promise::ALL {
            assert_eq!(Promise::of(&promise.broken("it was")), Some(*promise));
        }
        assert_eq!(Promise::of("assertion failed"), None);
    }
}
