//! A member that lost its disk has forgotten its votes and what it acknowledged. Whoever starts it again, with an empty
//! disk under its old name, starts a stranger: its peers know the data directory that they have lost, and take nothing
//! that comes from another. Nor does it take what is meant for the one that is gone.
//!
//! They know it once they have applied what the lost one said of itself. One that starts again may have to be told a
//! second time, and might give a stranger its ear until then. So a stranger comes only when all others are up and know
//! whom they have lost, and leaves before any of them starts again: nothing is promised for what lies between. What they
//! sent before they knew whom they meant it for does not find the stranger: connections end with the machine. Nobody is
//! to be told by a stranger what its store holds, so clients do not find it either.

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

/// Between two looks at whether the others know.
const LOOK: Duration = Duration::from_millis(200);
/// So many looks.
const LOOKS: usize = 50;

impl Cluster {
    /// After a while somebody starts another member under the name of this one, which is lost. It is not done where the
    /// others do not come to know it in time.
    pub(crate) async fn stranger_comes(self, place: usize, after: Duration) {
        sleep(after).await;
        for _ in 0..LOOKS {
            let living = self.living();
            let boots: Vec<u32> = living.iter().map(|other| self.boots(*other)).collect();
            let all_know = self.all_know(place, &living).await;
            let are_same = living == self.living()
                && living.iter().zip(boots).all(|(other, boots)| self.boots(*other) == boots)
                && living.iter().all(|other| self.handle(*other).is_some());
            if all_know && are_same {
                if self.node(place).is_none() {
                    self.network().stranger_comes(self.id(place));
                    self.boot(place);
                }
                return;
            }
            sleep(LOOK).await;
        }
    }

    /// Every stranger is switched off.
    pub(super) fn strangers_leave(&self) {
        for place in 0..self.size() {
            if self.is_lost(place) {
                self.kill(place);
            }
        }
    }

    /// Whether all of these have applied whose data directory this member has, or had.
    async fn all_know(&self, place: usize, living: &[usize]) -> bool {
        let id = self.id(place);
        for other in living {
            let Some(handle) = self.handle(*other) else { return false };
            let asked = handle.request(Request::MemberList { linearizable: false }, false);
            let answer = timeout(LOOK, asked).await.map(|answer| answer.map(|reply| reply.response));
            let Ok(Ok(Response::MemberList(members))) = answer else { return false };
            if !members.iter().any(|member| member.id == id && member.incarnation.is_some()) {
                return false;
            }
        }
        true
    }
}

/// Looks on at a stranger: it hears of no leader, and comes nowhere.
#[derive(Debug)]
pub(super) struct Outsider {
    name: String,
    /// What it had applied when it came: the founding of the cluster.
    applied: Mutex<Option<u64>>,
}

impl Outsider {
    pub(super) fn new(name: String) -> Outsider {
        Outsider { name, applied: Mutex::default() }
    }
}

impl Observer for Outsider {
    fn turn(&self, _now: Time, _effects: &Effects, status: &Status) {
        let Status { leader, term, applied, .. } = status;
        let first = *self.applied.lock().expect("no panic while it is held").get_or_insert(*applied);
        let how = || format!("{} follows {leader:?} in term {term} and has applied {applied}", self.name);
        assert!(leader.is_none() && first == *applied, "{}", Promise::Strangers.broken(how()));
    }
}
