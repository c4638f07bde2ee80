//! Does to the cluster what the plan says, then makes everything whole again.

use crate::cluster::Cluster;
use crate::plan::{Fault, Plan};
use crate::trace::Trace;
use madsim::runtime::Handle;
use madsim::time::sleep;
use std::time::Duration;

/// How long a machine is given to come to the operation at which it is to fail.
const OPERATION_COMES_WITHIN: Duration = Duration::from_secs(5);

/// Runs a plan to its end.
pub async fn run(cluster: Cluster, plan: Plan, trace: Trace) {
    let start = crate::clock::simulated_now();
    let wait_until = |at: Duration| sleep((start + at).saturating_sub(crate::clock::simulated_now()));
    for (at, fault) in plan.faults {
        wait_until(at).await;
        trace.event("nemesis", format_args!("{fault:?}"), &[]);
        commit(&cluster, fault);
    }
    wait_until(plan.ends).await;
    trace.event("nemesis", format_args!("all is made whole"), &[]);
    cluster.network().heal();
    cluster.network().calm();
    for place in 0..cluster.size() {
        cluster.machine(place).spare();
        if let Some(clock) = cluster.clock(place) {
            clock.set_rate(1_000_000);
        }
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
        Fault::Kill { member, down } => kill(cluster, member, down),
        Fault::KillAll { down } => {
            for member in 0..cluster.size() {
                kill(cluster, member, down);
            }
        }
        Fault::KillAtOperation { member, operations, down } => {
            cluster.machine(member).fail_after(operations);
            madsim::task::spawn(kill_when_down(cluster.clone(), member, down));
        }
        Fault::StopInOrder { member } => {
            if cluster.stop(member) {
                madsim::task::spawn(start_when_stopped(cluster.clone(), member));
            }
        }
        Fault::Pause { member, pause } => {
            let Some(node) = cluster.node(member) else { return };
            Handle::current().pause(node.id());
            madsim::task::spawn(async move {
                sleep(pause).await;
                Handle::current().resume(node.id());
            });
        }
        Fault::Cut { from, to, both_ways } => {
            for (from, to) in from.iter().flat_map(|from| to.iter().map(move |to| (*from, *to))) {
                let (from, to) = (cluster.id(from), cluster.id(to));
                cluster.network().cut(from, to);
                if both_ways {
                    cluster.network().cut(to, from);
                }
            }
        }
        Fault::Heal => cluster.network().heal(),
        Fault::ClockRate { member, micros_per_second } => {
            if let Some(clock) = cluster.clock(member) {
                clock.set_rate(micros_per_second);
            }
        }
        Fault::ClockJump { member, by } => {
            if let Some(clock) = cluster.clock(member) {
                clock.jump(by);
            }
        }
    }
}

fn kill(cluster: &Cluster, member: usize, down: Duration) {
    if !cluster.kill(member) {
        return;
    }
    let cluster = cluster.clone();
    madsim::task::spawn(async move {
        sleep(down).await;
        cluster.start(member);
    });
}

async fn kill_when_down(cluster: Cluster, member: usize, down: Duration) {
    let gives_up = crate::clock::simulated_now() + OPERATION_COMES_WITHIN;
    let machine = cluster.machine(member);
    while !machine.is_down() {
        if crate::clock::simulated_now() > gives_up {
            machine.spare();
            return;
        }
        sleep(Duration::from_millis(1)).await;
    }
    kill(&cluster, member, down);
}

async fn start_when_stopped(cluster: Cluster, member: usize) {
    while !cluster.machine(member).is_down() {
        sleep(Duration::from_millis(1)).await;
    }
    cluster.start(member);
}
