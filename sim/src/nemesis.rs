//! Does to the cluster what the plan says, then makes everything whole again.

use crate::cluster::Cluster;
use crate::plan::{Fault, Link, Plan, PlannedFault};
use crate::trace::Trace;
use madsim::runtime::Handle;
use madsim::time::sleep;
use std::time::Duration;

/// How long a machine is given to come to the operation at which it is to fail.
const OPERATION_COMES_WITHIN: Duration = Duration::from_secs(5);

/// Runs a plan to its end.
pub async fn run(cluster: Cluster, plan: Plan, trace: Trace) {
    let start = crate::clock::simulated_now();
    let wait_until =
        |at_ms| sleep((start + Duration::from_millis(at_ms)).saturating_sub(crate::clock::simulated_now()));
    for PlannedFault { at_ms, fault } in plan.faults {
        wait_until(at_ms).await;
        trace.event("nemesis", format_args!("{fault:?}"), &[]);
        commit(&cluster, fault);
    }
    wait_until(plan.ends_ms).await;
    trace.event("nemesis", format_args!("all is made whole"), &[]);
    cluster.network().heal();
    cluster.network().calm();
    for place in 0..cluster.size() {
        cluster.machine(place).spare();
        cluster.set_clock_rate(place, 1_000_000);
        if let Some(node) = cluster.node(place) {
            Handle::current().resume(node.id());
        }
        if cluster.machine(place).is_down() {
            // It failed in the middle of an operation, and nobody has looked yet.
            cluster.kill(place);
        }
        cluster.start(place);
    }
}

fn commit(cluster: &Cluster, fault: Fault) {
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
        Fault::StopInOrder { member } => {
            if cluster.stop(member) {
                madsim::task::spawn(start_when_stopped(cluster.clone(), member));
            }
        }
        Fault::Pause { member, for_ms } => {
            let Some(node) = cluster.node(member) else { return };
            Handle::current().pause(node.id());
            madsim::task::spawn(async move {
                sleep(Duration::from_millis(for_ms)).await;
                Handle::current().resume(node.id());
            });
        }
        Fault::Cut { links, for_ms } => cut(cluster, &links, for_ms),
        Fault::ClockRate { member, micros_per_second } => cluster.set_clock_rate(member, micros_per_second),
        Fault::ClockJump { member, by_ms } => {
            if let Some(clock) = cluster.clock(member) {
                clock.jump(Duration::from_millis(by_ms));
            }
        }
    }
}

fn cut(cluster: &Cluster, links: &[Link], for_ms: u64) {
    let until = crate::clock::simulated_now() + Duration::from_millis(for_ms);
    for Link { from, to } in links {
        cluster.network().cut(cluster.id(*from), cluster.id(*to), until);
    }
}

fn kill(cluster: &Cluster, member: usize, down_ms: u64) {
    if !cluster.kill(member) {
        return;
    }
    let cluster = cluster.clone();
    madsim::task::spawn(async move {
        sleep(Duration::from_millis(down_ms)).await;
        cluster.start(member);
    });
}

async fn kill_when_down(cluster: Cluster, member: usize, down_ms: u64) {
    let gives_up = crate::clock::simulated_now() + OPERATION_COMES_WITHIN;
    let machine = cluster.machine(member);
    while !machine.is_down() {
        if crate::clock::simulated_now() > gives_up {
            machine.spare();
            return;
        }
        sleep(Duration::from_millis(1)).await;
    }
    kill(&cluster, member, down_ms);
}

async fn start_when_stopped(cluster: Cluster, member: usize) {
    while !cluster.machine(member).is_down() {
        sleep(Duration::from_millis(1)).await;
    }
    cluster.start(member);
}
