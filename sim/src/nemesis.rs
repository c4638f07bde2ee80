//! Injects the faults of the plan, then heals the cluster: first all but what the liveness phase keeps failed, in the
//! end everything.

use crate::check::Promise;
use crate::clock::simulated_now;
use crate::cluster::{Cluster, Intruder};
use crate::network::{FrameKind, Link};
use crate::plan::{Clog, Fault, Liveness, Plan, PlannedFault};
use crate::trace::Trace;
use madsim::runtime::Handle;
use madsim::time::sleep;
use std::time::Duration;

/// How long a machine may take to reach the operation at which it is to fail.
const OPERATION_COMES_WITHIN: Duration = Duration::from_secs(5);
/// A member whose log could not be written ends within this, unless it was paused all the time.
const ENDS_WITHIN: Duration = Duration::from_secs(10);

/// Runs a plan to its end; what its liveness phase keeps failed fails then.
pub async fn run(cluster: Cluster, plan: Plan, trace: Trace) {
    let start = simulated_now();
    let wait_until = |at_ms| sleep((start + Duration::from_millis(at_ms)).saturating_sub(simulated_now()));
    for PlannedFault { at_ms, fault } in plan.faults {
        wait_until(at_ms).await;
        trace.event("nemesis", format_args!("{fault:?}"), &[]);
        inject(&cluster, fault);
    }
    wait_until(plan.ends_ms).await;
    let Liveness { rest, down, cut } = &plan.liveness;
    trace.event("nemesis", format_args!("all but {rest:?} is made whole"), &[]);
    for member in down {
        cluster.hold(*member);
    }
    heal(&cluster);
    cut_until(&cluster, cut, Duration::MAX);
}

/// Heals what the liveness phase kept failed as well.
pub fn end_liveness(cluster: &Cluster, trace: &Trace) {
    trace.event("nemesis", format_args!("all is made whole"), &[]);
    for place in 0..cluster.size() {
        cluster.release(place);
    }
    heal(cluster);
}

fn heal(cluster: &Cluster) {
    cluster.network().heal();
    cluster.network().calm();
    for place in 0..cluster.size() {
        cluster.machine(place).end_faults();
        cluster.set_clock_rate(place, 1_000_000);
        if let Some(node) = cluster.node(place) {
            Handle::current().resume(node.id());
        }
        if cluster.machine(place).is_down() {
            // It failed in the middle of an operation, which no task has noticed yet.
            cluster.kill(place);
        }
        cluster.start(place);
    }
}

#[expect(clippy::too_many_lines, reason = "one arm for each fault")]
fn inject(cluster: &Cluster, fault: Fault) {
    let until = |for_ms| simulated_now() + Duration::from_millis(for_ms);
    match fault {
        Fault::Kill { member, down_ms } => kill(cluster, member, down_ms),
        Fault::KillAll { down_ms } => {
            for member in 0..cluster.size() {
                kill(cluster, member, down_ms);
            }
        }
        Fault::KillAtOperation { member, operations, down_ms } => {
            cluster.machine(member).fail_after(operations);
            madsim::task::spawn(kill_when_down(cluster.clone(), member, down_ms));
        }
        Fault::Abort { member, down_ms } => {
            if cluster.abort(member) {
                start_after(cluster, member, down_ms);
            }
        }
        Fault::Storm { member, operations } => {
            drop(madsim::task::spawn(storm(cluster.clone(), member, operations)))
        }
        Fault::StopInOrder { member } => {
            if cluster.stop(member) {
                madsim::task::spawn(start_when_stopped(cluster.clone(), member));
            }
        }
        Fault::Pause { member, for_ms } => pause(cluster, member, for_ms),
        Fault::Cut { links, for_ms } => cut_until(cluster, &links, until(for_ms)),
        Fault::CutOffLeader { late_ms, for_ms } => cut_off_leader(cluster, &late_ms, until(for_ms)),
        Fault::RepeatAnswers { each_ms, for_ms } => {
            repeat_answers(cluster, Duration::from_millis(each_ms), until(for_ms));
        }
        Fault::Swizzle { clogs } => swizzle(cluster, &clogs),
        Fault::Lose { links, kind, per_million, for_ms } => {
            for Link { from, to } in links {
                cluster.network().lose(cluster.id(from), cluster.id(to), kind, per_million, until(for_ms));
            }
        }
        Fault::SlowSyncs { member, sync_ms, for_ms } => {
            cluster.machine(member).slow_syncs(Duration::from_millis(sync_ms), until(for_ms));
        }
        Fault::SlowSnapshots { member, each_ms, for_ms } => {
            cluster.machine(member).slow_snapshots(Duration::from_millis(each_ms), until(for_ms));
        }
        Fault::FailDisk { member, operation, after } => {
            cluster.machine(member).fail(operation, after);
            madsim::task::spawn(ends_when_its_log_fails(cluster.clone(), member));
        }
        Fault::FullDisk { member, for_ms } => cluster.machine(member).fill(until(for_ms)),
        Fault::Rot { member, file, damage, at_per_million, kills } => {
            if cluster.machine(member).damage(file, damage, at_per_million).is_some() && kills {
                kill(cluster, member, 1);
            }
        }
        Fault::Wipe { member, stranger_after_ms } => {
            cluster.wipe(member);
            if let Some(after_ms) = stranger_after_ms {
                madsim::task::spawn(cluster.clone().imposter_starts(member, Duration::from_millis(after_ms)));
            }
        }
        Fault::SendSnapshot { member, from, overhears, pieces, sent_per_million, down_ms } => {
            let sent = pieces * usize::try_from(sent_per_million).expect("a number of 32 bits") / 1_000_000;
            let intruder = Intruder { member, from, overhears, pieces, sent };
            let cluster = cluster.clone();
            madsim::task::spawn(async move {
                cluster.clone().snapshot_is_sent(intruder).await;
                if let Some(down_ms) = down_ms {
                    kill(&cluster, member, down_ms);
                }
            });
        }
        Fault::LeaveSnapshot { member, ahead, down_ms } => {
            if cluster.snapshot_is_left(member, ahead) {
                start_after(cluster, member, down_ms);
            }
        }
        Fault::ClockRate { member, micros_per_second } => cluster.set_clock_rate(member, micros_per_second),
        Fault::ClockJump { member, by_ms } => {
            if let Some(clock) = cluster.clock(member) {
                clock.jump(Duration::from_millis(by_ms));
            }
        }
        Fault::ClockStall { member, for_ms } => {
            if let Some(clock) = cluster.clock(member) {
                clock.stall(until(for_ms));
            }
        }
    }
}

fn cut_until(cluster: &Cluster, links: &[Link], until: Duration) {
    for Link { from, to } in links {
        cluster.network().cut(cluster.id(*from), cluster.id(*to), until);
    }
}

fn cut_off_leader(cluster: &Cluster, late_ms: &[u64], until: Duration) {
    let Some((leader, _)) = cluster.leader() else { return };
    let (network, me) = (cluster.network(), cluster.id(leader));
    let others = (0..cluster.size()).filter(|place| *place != leader);
    for (place, other) in others.map(|place| cluster.id(place)).enumerate() {
        // Lost as they are sent; a cut would lose frames in flight as well.
        for kind in FrameKind::ALL {
            network.lose(me, other, kind, 1_000_000, until);
            network.lose(other, me, kind, 1_000_000, until);
        }
        if let Some(late_ms) = late_ms.get(place) {
            network.clog(other, me, simulated_now() + Duration::from_millis(*late_ms));
        }
    }
}

fn repeat_answers(cluster: &Cluster, each: Duration, until: Duration) {
    let Some((leader, _)) = cluster.leader() else { return };
    cut_off_leader(cluster, &[], until);
    for other in (0..cluster.size()).filter(|place| *place != leader) {
        cluster.network().repeat_answer(cluster.id(other), cluster.id(leader), each, until);
    }
}

fn swizzle(cluster: &Cluster, clogs: &[Clog]) {
    for Clog { link: Link { from, to }, after_ms, for_ms } in clogs.iter().copied() {
        let cluster = cluster.clone();
        madsim::task::spawn(async move {
            sleep(Duration::from_millis(after_ms)).await;
            let until = simulated_now() + Duration::from_millis(for_ms);
            cluster.network().clog(cluster.id(from), cluster.id(to), until);
        });
    }
}

fn pause(cluster: &Cluster, member: usize, for_ms: u64) {
    let Some(node) = cluster.node(member) else { return };
    let (name, trace) = (format!("m{member}"), cluster.trace().clone());
    trace.begins(&name, "paused", format_args!("stands still"));
    Handle::current().pause(node.id());
    madsim::task::spawn(async move {
        sleep(Duration::from_millis(for_ms)).await;
        trace.ends(&name, "paused", format_args!("goes on"));
        Handle::current().resume(node.id());
    });
}

fn kill(cluster: &Cluster, member: usize, down_ms: u64) {
    if cluster.kill(member) {
        start_after(cluster, member, down_ms);
    }
}

fn start_after(cluster: &Cluster, member: usize, down_ms: u64) {
    let cluster = cluster.clone();
    madsim::task::spawn(async move {
        sleep(Duration::from_millis(down_ms)).await;
        cluster.start(member);
    });
}

async fn kill_when_down(cluster: Cluster, member: usize, down_ms: u64) {
    // One that is down fails after its next start.
    let gives_up = simulated_now() + OPERATION_COMES_WITHIN;
    while cluster.node(member).is_none() {
        if simulated_now() > gives_up {
            cluster.machine(member).cancel_power_failure();
            return;
        }
        sleep(Duration::from_millis(1)).await;
    }
    if fails_soon(&cluster, member, OPERATION_COMES_WITHIN).await {
        kill(&cluster, member, down_ms);
    }
}

/// Whether the machine reached the operation at which it was to fail.
async fn fails_soon(cluster: &Cluster, member: usize, soon: Duration) -> bool {
    let gives_up = simulated_now() + soon;
    let machine = cluster.machine(member);
    while !machine.is_down() {
        if simulated_now() > gives_up {
            machine.cancel_power_failure();
            return false;
        }
        sleep(Duration::from_millis(1)).await;
    }
    true
}

async fn storm(cluster: Cluster, member: usize, operations: Vec<u64>) {
    cluster.kill(member);
    for operations in operations {
        cluster.start(member);
        cluster.machine(member).fail_after(operations);
        if fails_soon(&cluster, member, Duration::from_secs(1)).await {
            cluster.kill(member);
        }
    }
    cluster.start(member);
}

/// Checks that a member whose disk failed ends in time.
async fn ends_when_its_log_fails(cluster: Cluster, member: usize) {
    let looks_until = simulated_now() + 2 * ENDS_WITHIN;
    while simulated_now() < looks_until {
        sleep(Duration::from_secs(1)).await;
        let since = cluster.machine(member).must_end_since();
        let is_up = cluster.handle(member).is_some() && !cluster.machine(member).is_down();
        let Some(since) = since.filter(|_| is_up) else { continue };
        let now = simulated_now();
        let how = || format!("member {member} got the error at {since:?} and is up at {now:?}");
        assert!(now < since + ENDS_WITHIN, "{}", Promise::EndsWithItsDisk.broken(how()));
    }
}

async fn start_when_stopped(cluster: Cluster, member: usize) {
    while !cluster.machine(member).is_down() {
        sleep(Duration::from_millis(1)).await;
    }
    cluster.start(member);
}
