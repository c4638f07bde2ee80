//! A member that lost its disk has forgotten its votes and what it acknowledged. Whoever starts it again, with an empty
//! disk under its old name, starts an imposter: its peers know the incarnation of the lost data directory, and refuse
//! all frames of another. Nor does the imposter accept frames that are meant for the lost directory.
//!
//! The peers know it once they have applied what the lost member published. One that starts again may have to receive
//! it a second time, and could accept frames of an imposter until then (though no votes once the entry is in its log). So an imposter is started only when all others
//! are up and have applied that, and is stopped before any of them starts again: nothing is promised for what lies
//! between. Frames that the others sent before they knew the incarnation are not delivered to the imposter: connections
//! end with their machine. No client may read the store of an imposter, so clients do not find it.

use super::Cluster;
use crate::check::Promise;
use detcd_engine::effects::Effects;
use detcd_engine::engine::Status;
use detcd_engine::request::{Request, Response};
use detcd_engine::time::Time;
use madsim::time::{sleep, timeout};
use server_sim::member::Observer;
use std::sync::Mutex;
use std::time::Duration;

/// Between two checks of whether the others know.
const CHECK_EVERY: Duration = Duration::from_millis(200);
/// At most so many checks.
const CHECKS_MAX: usize = 50;

impl Cluster {
    /// After a while another member is started under the name of this one, which is lost. It is not done where the
    /// others do not apply the incarnation in time.
    pub(crate) async fn imposter_starts(self, place: usize, after: Duration) {
        sleep(after).await;
        for _ in 0..CHECKS_MAX {
            let living = self.living();
            let boots: Vec<u32> = living.iter().map(|other| self.boots(*other)).collect();
            let all_know = self.all_know(place, &living).await;
            let are_same = living == self.living()
                && living.iter().zip(boots).all(|(other, boots)| self.boots(*other) == boots)
                && living.iter().all(|other| self.handle(*other).is_some());
            if all_know && are_same {
                if self.node(place).is_none() {
                    self.network().imposter_starts(self.id(place));
                    self.boot(place);
                }
                return;
            }
            sleep(CHECK_EVERY).await;
        }
    }

    /// Every imposter loses power.
    pub(super) fn stop_imposters(&self) {
        for place in 0..self.size() {
            if self.is_lost(place) {
                self.kill(place);
            }
        }
    }

    /// Whether all of these have applied the incarnation of this member.
    async fn all_know(&self, place: usize, living: &[usize]) -> bool {
        let id = self.id(place);
        for other in living {
            let Some(handle) = self.handle(*other) else { return false };
            let asked = handle.request(Request::MemberList { linearizable: false }, false);
            let answer = timeout(CHECK_EVERY, asked).await.map(|answer| answer.map(|reply| reply.response));
            let Ok(Ok(Response::MemberList(members))) = answer else { return false };
            if !members.iter().any(|member| member.id == id && member.incarnation.is_some()) {
                return false;
            }
        }
        true
    }
}

/// Observes an imposter: it must know of no leader and apply nothing.
#[derive(Debug)]
pub(super) struct ImposterObserver {
    name: String,
    /// What it had applied when it started: the first entries of a cluster.
    applied: Mutex<Option<u64>>,
}

impl ImposterObserver {
    pub(super) fn new(name: String) -> ImposterObserver {
        ImposterObserver { name, applied: Mutex::default() }
    }
}

impl Observer for ImposterObserver {
    fn turn(&self, _now: Time, _effects: &Effects, status: &Status) {
        let Status { leader, term, applied, .. } = status;
        let first = *self.applied.lock().expect("no panic while it is held").get_or_insert(*applied);
        let how = || format!("{} follows {leader:?} in term {term} and has applied {applied}", self.name);
        assert!(leader.is_none() && first == *applied, "{}", Promise::Imposters.broken(how()));
    }
}
