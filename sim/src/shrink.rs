//! Makes a failing case small: fewer faults, fewer members, fewer clients with fewer calls, settings at their
//! baseline, less time. What is left is what the failure needs.
//!
//! Delta debugging, greedily: leave out the larger half, then smaller and smaller pieces, and keep whatever still
//! breaks the *same* promise. One round over everything is followed by another as long as something went: a fault may
//! be needless once a member is left out.

use crate::case::Case;
use crate::plan::Liveness;
use crate::served::{Served, Tier};
use serde_json::Value;
use std::fmt;

/// Less than this of a run is not worth taking away.
const TIME_STEP_MS: u64 = 250;

/// Shrinks one case.
pub struct Shrinker<'a> {
    /// The smallest that still breaks the promise.
    case: Case,
    /// Whether a case breaks it.
    breaks: &'a mut dyn FnMut(&Case) -> bool,
    /// Called after every step that made it smaller.
    says: &'a mut dyn FnMut(&Size),
    runs: u64,
    runs_max: u64,
}

/// How large a case is, and how many runs that took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Faults planned.
    pub faults: usize,
    /// Members.
    pub members: usize,
    /// Clients.
    pub clients: usize,
    /// Calls of each in the time in which faults are injected, at most; `None` for as many as they like.
    pub calls_max: Option<u64>,
    /// Values that differ from the baseline.
    pub changed: usize,
    /// The time in which faults are injected.
    pub ends_ms: u64,
    /// Runs so far.
    pub runs: u64,
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Size { faults, members, clients, calls_max, changed, ends_ms, runs } = self;
        write!(f, "{faults} faults, {members} members, {clients} clients")?;
        if let Some(calls) = calls_max {
            write!(f, " of {calls} calls")?;
        }
        let seconds = std::time::Duration::from_millis(*ends_ms).as_secs_f64();
        write!(f, ", {changed} settings changed, {seconds:.2} s of faults ({runs} runs)")
    }
}

/// The smallest case found that still `breaks`, within so many runs. `case` itself is taken to break.
pub fn shrink(
    case: &Case,
    runs_max: u64,
    breaks: &mut dyn FnMut(&Case) -> bool,
    says: &mut dyn FnMut(&Size),
) -> (Case, Size) {
    let mut shrinker = Shrinker { case: case.clone(), breaks, says, runs: 0, runs_max };
    loop {
        let before = shrinker.case.clone();
        shrinker.attempt_with(|case| case.swarm.tier = Tier::Members);
        shrinker.fewer_faults();
        shrinker.fewer_cuts();
        shrinker.attempt_with(|case| case.swarm.plan.liveness = Liveness::default());
        shrinker.fewer_members();
        shrinker.fewer_clients();
        shrinker.fewer_calls();
        shrinker.towards_baseline();
        shrinker.less_time();
        if shrinker.case == before || shrinker.runs >= runs_max {
            let size = shrinker.size();
            return (shrinker.case, size);
        }
    }
}

impl Shrinker<'_> {
    /// Keeps a smaller case if it still breaks.
    fn attempt(&mut self, case: Case) -> bool {
        if case == self.case || self.runs >= self.runs_max || case.check().is_err() {
            return false;
        }
        self.runs += 1;
        let breaks = (self.breaks)(&case);
        if breaks {
            self.case = case;
            let size = self.size();
            (self.says)(&size);
        }
        breaks
    }

    /// Keeps what can be made of the case by `change`, if it still breaks.
    fn attempt_with(&mut self, change: impl FnOnce(&mut Case)) -> bool {
        let mut case = self.case.clone();
        change(&mut case);
        self.attempt(case)
    }

    fn fewer_faults(&mut self) {
        let all = self.case.swarm.plan.faults.clone();
        minimize(all, &mut |faults| self.attempt_with(|case| case.swarm.plan.faults = faults.to_vec()));
    }

    /// Of clients from members.
    fn fewer_cuts(&mut self) {
        let Tier::Server(served) = self.case.swarm.tier.clone() else { return };
        minimize(served.cuts.clone(), &mut |cuts| {
            let served = Served { cuts: cuts.to_vec(), ..served.clone() };
            self.attempt_with(|case| case.swarm.tier = Tier::Server(served))
        });
    }

    /// The first ones stay; faults that name another one go with it.
    fn fewer_members(&mut self) {
        for members in [1, 2, 3, 4] {
            if members < self.case.swarm.members && self.attempt_with(|case| keep_members(case, members)) {
                return;
            }
        }
    }

    fn fewer_clients(&mut self) {
        let all = self.case.swarm.load.clients.clone();
        minimize(all, &mut |clients| self.attempt_with(|case| case.swarm.load.clients = clients.to_vec()));
    }

    /// Half as many, while that is enough.
    fn fewer_calls(&mut self) {
        let mut calls = self.case.calls_max.unwrap_or(256);
        while calls >= 1 && self.attempt_with(|case| case.calls_max = Some(calls)) || calls > 16 {
            calls /= 2;
        }
    }

    /// Every setting that can be, at its baseline.
    fn towards_baseline(&mut self) {
        let changed = changed(&self.case);
        let start = self.case.clone();
        minimize(changed, &mut |kept| {
            let Some(case) = with_only(&start, kept) else { return false };
            self.attempt(case)
        });
    }

    /// Ends sooner, and what happens comes sooner.
    fn less_time(&mut self) {
        let last_ms = self.case.swarm.plan.faults.last().map_or(0, |planned| planned.at_ms);
        for ends_ms in [last_ms, last_ms + 1000, last_ms + 4000] {
            let ends_ms = ends_ms.max(1);
            if ends_ms < self.case.swarm.plan.ends_ms
                && self.attempt_with(|case| case.swarm.plan.ends_ms = ends_ms)
            {
                break;
            }
        }
        let mut place = 0;
        while place <= self.case.swarm.plan.faults.len() {
            while self.sooner(place) {}
            place += 1;
        }
    }

    /// Takes half of the time before a fault, or before the end, away from it and all that follows.
    fn sooner(&mut self, place: usize) -> bool {
        let plan = &self.case.swarm.plan;
        let at = |place: usize| plan.faults.get(place).map_or(plan.ends_ms, |planned| planned.at_ms);
        let before = if place == 0 { 0 } else { at(place - 1) };
        let less = at(place).saturating_sub(before) / 2;
        less >= TIME_STEP_MS
            && self.attempt_with(|case| {
                let plan = &mut case.swarm.plan;
                plan.faults.iter_mut().skip(place).for_each(|planned| planned.at_ms -= less);
                plan.ends_ms -= less;
            })
    }

    fn size(&self) -> Size {
        let swarm = &self.case.swarm;
        Size {
            faults: swarm.plan.faults.len(),
            members: swarm.members,
            clients: swarm.load.clients.len(),
            calls_max: self.case.calls_max,
            changed: changed(&self.case).len(),
            ends_ms: swarm.plan.ends_ms,
            runs: self.runs,
        }
    }
}

fn keep_members(case: &mut Case, members: usize) {
    case.swarm.members = members;
    case.swarm.network.slow_links.retain(|slow| slow.link.from.max(slow.link.to) < members);
    case.swarm.plan.faults.retain(|planned| planned.fault.members().iter().all(|named| *named < members));
}

/// Leaves out pieces of `items`, large ones first, as long as `fails` is true of what is left. Nothing of what
/// remains can be left out alone.
fn minimize<T: Clone>(mut items: Vec<T>, fails: &mut dyn FnMut(&[T]) -> bool) {
    let mut size = items.len();
    while size > 0 {
        let (mut at, mut has_gone) = (0, false);
        while at < items.len() {
            let mut rest = items.clone();
            rest.drain(at..(at + size).min(items.len()));
            if fails(&rest) {
                (items, has_gone) = (rest, true);
            } else {
                at += size;
            }
        }
        // The smallest pieces until none goes: one may have been needed by another that went after it was tried.
        if size > 1 || !has_gone {
            size /= 2;
        }
    }
}

/// The values that differ from the baseline, each by its pointer into the case's JSON.
fn changed(case: &Case) -> Vec<String> {
    let (this, baseline) = (json(case), json(&baseline(case)));
    let mut found = Vec::new();
    compare(&this, &baseline, String::new(), &mut found);
    found
}

/// The same run with every setting at its baseline.
fn baseline(case: &Case) -> Case {
    let mut baseline = case.clone();
    baseline.swarm.reset_to_baseline();
    baseline
}

/// The case, with the baseline value everywhere but in these places.
fn with_only(case: &Case, pointers: &[String]) -> Option<Case> {
    let (this, mut merged) = (json(case), json(&baseline(case)));
    for pointer in pointers {
        *merged.pointer_mut(pointer)? = this.pointer(pointer)?.clone();
    }
    serde_json::from_value(merged).ok()
}

fn json(case: &Case) -> Value {
    serde_json::to_value(case).expect("plain data")
}

fn compare(this: &Value, baseline: &Value, pointer: String, found: &mut Vec<String>) {
    match (this, baseline) {
        (Value::Object(these), Value::Object(baselines)) if these.keys().eq(baselines.keys()) => {
            for (key, value) in these {
                compare(value, &baselines[key], format!("{pointer}/{key}"), found);
            }
        }
        _ if this != baseline => found.push(pointer),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Fault, PlannedFault};
    use crate::workload::Role;

    fn kill(at_ms: u64, member: usize) -> PlannedFault {
        PlannedFault { at_ms, fault: Fault::Kill { member, down_ms: 10 } }
    }

    /// Twenty kills of five members, many clients, and every setting as some seed drew it.
    fn large() -> Case {
        let mut case = Case::draw(3);
        case.swarm.members = 5;
        case.swarm.knobs.wal_segment_bytes = 4096;
        case.swarm.plan.liveness = Liveness::default();
        case.swarm.network.slow_links.clear();
        case.swarm.load.clients = vec![Role::Sets, Role::Registers, Role::Queues, Role::Registers];
        case.swarm.plan.faults = (0..20).map(|place| kill(500 + 900 * place, (place % 5) as usize)).collect();
        case.check().expect("it can be run");
        case
    }

    #[test]
    fn what_is_left_is_what_the_failure_needs() {
        let case = large();
        // It takes two kills of member 1, a client of a queue, and a small segment.
        let mut breaks = |case: &Case| {
            let kills =
                case.swarm.plan.faults.iter().filter(|planned| planned.fault.members() == [1]).count();
            kills >= 2
                && case.swarm.load.clients.contains(&Role::Queues)
                && case.swarm.knobs.wal_segment_bytes == large().swarm.knobs.wal_segment_bytes
        };
        assert!(breaks(&case));
        let mut sizes = Vec::new();
        let (small, size) = shrink(&case, 10_000, &mut breaks, &mut |size| sizes.push(*size));
        assert!(breaks(&small));
        assert_eq!((size.faults, size.members, size.clients, size.calls_max), (2, 2, 1, Some(1)), "{size}");
        assert_eq!(changed(&small), ["/swarm/knobs/wal_segment_bytes"]);
        assert!(small.swarm.plan.ends_ms <= 3 * TIME_STEP_MS, "{size}");
        assert_eq!(sizes.last().map(|last| last.faults), Some(2));
        assert!(size.runs < 400, "{size}");
    }

    #[test]
    fn it_ends_when_its_runs_are_used_up() {
        let mut runs = 0;
        let (_, size) = shrink(
            &large(),
            7,
            &mut |_| {
                runs += 1;
                false
            },
            &mut |_| {},
        );
        assert_eq!((runs, size.runs), (7, 7));
    }

    #[test]
    fn nothing_more_can_go_alone() {
        for needed in [&[][..], &[0], &[19], &[3, 4], &[0, 7, 19], &[1, 2, 3, 4, 5, 6]] {
            let items: Vec<usize> = (0..20).collect();
            let mut left = items.clone();
            minimize(items, &mut |rest| {
                let fails = needed.iter().all(|item| rest.contains(item));
                if fails {
                    left = rest.to_vec();
                }
                fails
            });
            assert_eq!(left, needed);
        }
    }
}
