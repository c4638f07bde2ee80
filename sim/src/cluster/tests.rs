//! Each fault must have the effect that its name says on an undisturbed cluster.

use super::{Cluster, Intruder};
use crate::case::Case;
use crate::disk::{Damage, DamagedFile, OperationKind};
use crate::nemesis;
use crate::network::Link;
use crate::plan::{Fault, Liveness, Plan, PlannedFault};
use crate::swarm::Swarm;
use crate::trace::Trace;
use madsim::time::sleep;
use std::path::Path;
use std::time::Duration;

/// Three members that have been up for five seconds.
fn in_cluster<F: Future<Output = ()> + 'static>(swarm: Swarm, test: impl FnOnce(Cluster) -> F + 'static) {
    let mut runtime = madsim::runtime::Runtime::with_seed_and_config(1, madsim::Config::default());
    runtime.set_time_limit(Duration::from_secs(120));
    runtime.block_on(async move {
        let cluster = Cluster::new(&swarm, &Trace::default());
        madsim::task::spawn(cluster.network().clone().deliver_all());
        for place in 0..cluster.size() {
            cluster.start(place);
        }
        sleep(Duration::from_secs(5)).await;
        test(cluster).await;
    });
}

fn quiet() -> Swarm {
    Case::standard(1, 1000).swarm
}

/// Whether the member is up and knows a leader.
fn serves(cluster: &Cluster, place: usize) -> bool {
    cluster.handle(place).is_some_and(|handle| handle.status().leader.is_some())
}

async fn inject(cluster: &Cluster, fault: Fault) {
    let faults = vec![PlannedFault { at_ms: 0, fault }];
    let plan = Plan { faults, ends_ms: 3000, liveness: Liveness::default() };
    nemesis::run(cluster.clone(), plan, Trace::default()).await;
    sleep(Duration::from_secs(5)).await;
}

#[test]
fn a_member_that_a_fault_ends_is_started_again() {
    let faults = [
        Fault::Kill { member: 0, down_ms: 10 },
        Fault::KillAtOperation { member: 0, operations: 0, down_ms: 10 },
        Fault::Abort { member: 0, down_ms: 10 },
        Fault::StopInOrder { member: 0 },
        Fault::Storm { member: 0, operations: vec![3, 20] },
    ];
    for fault in faults {
        in_cluster(quiet(), move |cluster| async move {
            // An operation to fail at: what the others do once they have lost their leader.
            for member in 1..3 {
                cluster.abort(member);
                cluster.start(member);
            }
            inject(&cluster, fault.clone()).await;
            assert!(cluster.boots(0) > 1, "{fault:?}");
            assert!(serves(&cluster, 0), "{fault:?}");
        });
    }
}

#[test]
fn no_power_fails_once_all_is_whole() {
    in_cluster(quiet(), |cluster| async move {
        cluster.machine(0).end_faults();
        cluster.machine(0).fail_after(0);
        cluster.abort(0);
        cluster.start(0);
        sleep(Duration::from_secs(5)).await;
        assert!(serves(&cluster, 0), "a fault outlasted the time of faults");
    });
}

#[test]
fn a_failed_sync_ends_a_member_which_comes_back() {
    in_cluster(quiet(), |cluster| async move {
        cluster.kill(0);
        cluster.machine(0).fail(OperationKind::Sync, 0);
        cluster.start(0);
        sleep(Duration::from_secs(5)).await;
        assert_eq!(cluster.boots(0), 2 + 1);
        assert!(serves(&cluster, 0));
    });
}

#[test]
fn a_damaged_member_stays_down_and_the_others_go_on() {
    for file in [DamagedFile::Log, DamagedFile::Snapshot, DamagedFile::Meta] {
        in_cluster(quiet(), move |cluster| async move {
            let damage = Damage::FlippedBit;
            inject(&cluster, Fault::Rot { member: 0, file, damage, at_per_million: 0, kills: true }).await;
            assert!(cluster.is_lost(0), "{file:?}");
            assert_eq!(cluster.living(), [1, 2]);
            assert!(serves(&cluster, 1) && serves(&cluster, 2), "{file:?}");
        });
    }
}

#[test]
fn an_imposter_starts_under_the_name_of_a_wiped_member_and_stops_when_another_starts() {
    in_cluster(quiet(), |cluster| async move {
        inject(&cluster, Fault::Wipe { member: 0, stranger_after_ms: Some(100) }).await;
        assert!(cluster.is_lost(0) && cluster.node(0).is_some());
        assert!(cluster.handle(0).is_none(), "no client finds it");
        assert!(serves(&cluster, 1) && serves(&cluster, 2));
        cluster.kill(1);
        assert!(cluster.node(0).is_some());
        cluster.start(1);
        assert!(cluster.node(0).is_none());
    });
}

#[test]
fn a_snapshot_that_was_left_is_gone_once_its_member_has_started() {
    for ahead in [1, 1 << 40] {
        in_cluster(quiet(), move |cluster| async move {
            let names = |cluster: &Cluster| cluster.machine(0).names(Path::new("/data/member/snap"));
            let before = names(&cluster);
            assert!(cluster.snapshot_is_left(0, ahead));
            assert_eq!(names(&cluster).len(), before.len() + 1);
            cluster.start(0);
            sleep(Duration::from_secs(5)).await;
            assert_eq!(names(&cluster), before);
            assert!(serves(&cluster, 0));
        });
    }
}

#[test]
fn a_snapshot_of_who_has_listened_is_let_in_and_refused_whole() {
    in_cluster(quiet(), |cluster| async move {
        let (leader, _) = cluster.leader().expect("a quiet cluster has a leader");
        let member = (leader + 1) % 3;
        let all = Intruder { member, from: 0, overhears: true, pieces: 3, sent: 3 };
        let names = |cluster: &Cluster| cluster.machine(member).names(Path::new("/data/member/snap"));
        let before = names(&cluster);
        cluster.clone().snapshot_is_sent(Intruder { sent: 1, ..all }).await;
        assert_eq!(names(&cluster).len(), before.len() + 1, "the first piece is stored aside");
        cluster.clone().snapshot_is_sent(all).await;
        assert_eq!(names(&cluster), before);
        let intruder = Intruder { overhears: false, sent: 1, ..all };
        cluster.clone().snapshot_is_sent(intruder).await;
        assert_eq!(names(&cluster), before);
        assert!(serves(&cluster, member));
    });
}

#[test]
fn a_member_without_room_starts_when_there_is_some() {
    in_cluster(quiet(), |cluster| async move {
        let until = crate::clock::simulated_now() + Duration::from_secs(3);
        cluster.machine(0).fill(until);
        cluster.kill(0);
        cluster.start(0);
        sleep(Duration::from_secs(2)).await;
        assert!(cluster.handle(0).is_none(), "it cannot count its start");
        sleep(Duration::from_secs(6)).await;
        assert!(serves(&cluster, 0));
    });
}

#[test]
fn frames_with_a_fault_are_refused() {
    let mut swarm = quiet();
    swarm.network.corrupts_per_million = 100_000;
    swarm.network.cross_wires_per_million = 100_000;
    swarm.network.foreign_per_million = 100_000;
    in_cluster(swarm, |cluster| async move {
        let counts = cluster.network().counts();
        assert!(counts.refused > 10 && counts.delivered > 10, "{counts:?}");
    });
}

#[test]
fn a_cut_holds_and_ends() {
    in_cluster(quiet(), |cluster| async move {
        let links: Vec<Link> = Link::all(3).filter(|link| link.from == 0 || link.to == 0).collect();
        let faults = vec![PlannedFault { at_ms: 0, fault: Fault::Cut { links, for_ms: 5000 } }];
        let plan = Plan { faults, ends_ms: 10_000, liveness: Liveness::default() };
        madsim::task::spawn(nemesis::run(cluster.clone(), plan, Trace::default()));
        sleep(Duration::from_millis(4900)).await;
        assert!(!serves(&cluster, 0), "cut off, it has no leader");
        assert!(serves(&cluster, 1) && serves(&cluster, 2));
        sleep(Duration::from_secs(5)).await;
        assert!(serves(&cluster, 0));
    });
}

#[test]
fn the_liveness_phase_leaves_its_rest_failed_until_it_ends() {
    in_cluster(quiet(), |cluster| async move {
        let liveness = Liveness { rest: vec![2], down: vec![2], cut: Vec::new() };
        let plan = Plan { faults: Vec::new(), ends_ms: 0, liveness };
        nemesis::run(cluster.clone(), plan, Trace::default()).await;
        cluster.start(2);
        sleep(Duration::from_secs(5)).await;
        assert!(cluster.handle(2).is_none());
        assert!(serves(&cluster, 0) && serves(&cluster, 1));
        nemesis::end_liveness(&cluster, &Trace::default());
        sleep(Duration::from_secs(5)).await;
        assert!(serves(&cluster, 2));
    });
}
