//! Many small misfortunes in random order: members agree (the cluster checks that at every index), no acknowledged
//! put is lost, none is applied twice, and no read misses a put that was acknowledged before it was asked.

use super::cluster::Cluster;
use super::parse::{key_range, put_request};
use crate::random::Random;
use crate::request::{PutLease, RangeRequest, Request};
use std::collections::{BTreeMap, BTreeSet};

const MEMBERS: u64 = 3;

#[derive(Default)]
struct Clients {
    /// Keys by member and counter, of requests that wait.
    puts: BTreeMap<(u64, u64), String>,
    /// What each read must see: everything acknowledged before it was asked.
    reads: BTreeMap<(u64, u64), BTreeSet<String>>,
    acknowledged: BTreeSet<String>,
    answered_reads: usize,
}

impl Clients {
    fn take_in(&mut self, seed: u64, out: &str) {
        for line in out.lines() {
            let Some((who, answer)) = line.split_once(": ") else { continue };
            let Some((member, counter)) = who.split_once('#') else { continue };
            let id = (member.parse().unwrap(), counter.parse().unwrap());
            if let Some(key) = self.puts.remove(&id)
                && answer.starts_with("put")
            {
                self.acknowledged.insert(key);
            }
            let Some(must_see) = self.reads.remove(&id).filter(|_| answer.starts_with('[')) else { continue };
            self.answered_reads += 1;
            let seen = keys(answer);
            let missed: Vec<&String> = must_see.difference(&seen).collect();
            assert!(missed.is_empty(), "seed {seed}: read {id:?} misses {missed:?}");
        }
    }

    fn forget(&mut self, member: u64) {
        self.puts.retain(|(at, _), _| *at != member);
        self.reads.retain(|(at, _), _| *at != member);
    }
}

/// The keys of an answer `[k1=x@2 k2=x@3] of 2 …`.
fn keys(answer: &str) -> BTreeSet<String> {
    let records = answer.trim_start_matches('[').split(']').next().unwrap().split_whitespace();
    records.map(|record| record.split('=').next().unwrap().to_owned()).collect()
}

/// One misfortune, or one request.
fn happen(cluster: &mut Cluster, clients: &mut Clients, random: &mut Random, number: u64) {
    let id = 1 + random.below(MEMBERS);
    let is_up = cluster.node(id).member.engine.is_some();
    match random.below(22) {
        0..6 if is_up => {
            let key = format!("k{number}");
            clients.puts.insert((id, cluster.node(id).member.request_counter + 1), key.clone());
            let put = put_request(&key, "x", 0, false);
            assert_eq!(put.lease, PutLease::Set(crate::ids::LeaseId(0)));
            cluster.ask(id, false, Request::Put(put));
        }
        6..9 if is_up => {
            clients
                .reads
                .insert((id, cluster.node(id).member.request_counter + 1), clients.acknowledged.clone());
            cluster.ask(id, false, Request::Range(RangeRequest::of(key_range("a.."))));
        }
        9 if is_up => {
            clients.forget(id);
            cluster.crash(id);
        }
        10..13 if !is_up => cluster.start(id),
        13 if is_up => cluster.step(id, crate::input::Input::TransferLeadership),
        14 => {
            let other = 1 + random.below(MEMBERS);
            cluster.cut.insert((id, other));
        }
        15 => cluster.cut.clear(),
        16 => {
            let copies: Vec<_> = cluster.queue.iter().take(3).cloned().collect();
            cluster.queue.extend(copies);
        }
        17 => cluster.queue.retain(|message| message.to.0 != id),
        18 if is_up => cluster.node(id).boot.is_stalled ^= true,
        19 => cluster.held.append(&mut cluster.queue),
        20 => cluster.queue.append(&mut cluster.held),
        _ => {
            let ms = [10, 100, 500, 1500][usize::try_from(random.below(4)).unwrap()];
            cluster.pass(ms, None).expect("members rest");
        }
    }
}

fn live_through(seed: u64) -> usize {
    let mut random = Random::new(seed);
    let (mut cluster, mut clients) = (Cluster::default(), Clients::default());
    let knobs = |config: &mut crate::config::Config| {
        config.log_bytes_max = 400;
        config.snapshot_commands_min = 10;
    };
    cluster.create(MEMBERS, knobs);
    for number in 0..250 {
        happen(&mut cluster, &mut clients, &mut random, number);
        clients.take_in(seed, &std::mem::take(&mut cluster.out));
    }
    cluster.cut.clear();
    for id in 1..=MEMBERS {
        cluster.node(id).boot.is_stalled = false;
        if cluster.node(id).member.engine.is_none() {
            cluster.start(id);
        }
    }
    cluster.pass(20_000, None).expect("members rest");
    clients.take_in(seed, &std::mem::take(&mut cluster.out));
    cluster.agree();
    assert_eq!(cluster.out.lines().count(), 1, "seed {seed}: all at one index: {}", cluster.out);
    let everything = RangeRequest::of(key_range("a.."));
    let found = cluster.engine(1).state().store().range(&everything).expect("the present is readable");
    let twice = found.kvs.iter().find(|record| record.version() != 1);
    assert_eq!(twice, None, "seed {seed}: applied twice");
    let kept: BTreeSet<String> =
        found.kvs.iter().map(|record| record.key().escape_ascii().to_string()).collect();
    let lost: Vec<&String> = clients.acknowledged.difference(&kept).collect();
    assert!(lost.is_empty(), "seed {seed}: lost {lost:?}");
    clients.acknowledged.len() + clients.answered_reads
}

#[test]
fn whatever_happens_members_agree_and_clients_are_told_the_truth() {
    let answered: usize = (1..=60).map(live_through).sum();
    assert!(answered > 1000, "only {answered} requests were answered: nothing is tested");
}
