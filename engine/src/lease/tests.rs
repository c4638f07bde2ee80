//! Golden scripts over both halves of leases: one member's lessor, and the deadlines it keeps while it leads.
//! Commands stand for applied commands (`grant`, `revoke`, `checkpoint`, `clear`) or for what the leader does.

use super::{Deadlines, Lease, Lessor};
use crate::ids::{Grant, LeaseId};
use crate::time::Time;
use bytes::Bytes;
use goldenscript::{Command, Context, Runner};
use std::error::Error;
use std::fmt::Write as _;
use test_each_file::test_each_path;

const ELECTION_TIMEOUT_MS: u64 = 1_000;

test_each_path! { in "engine/src/lease/testscripts" as scripts => run_script }

fn run_script(path: &std::path::Path) {
    goldenscript::run(&mut Script::default(), path).expect("the script holds");
}

#[derive(Default)]
struct Script {
    now_ms: u64,
    lessor: Lessor,
    deadlines: Deadlines,
}

impl Runner for Script {
    type Command = Command;

    fn run(&mut self, command: &Command, _: &Context) -> Result<String, Box<dyn Error>> {
        let mut rest = command.consume_args();
        let arguments: Vec<&str> = std::iter::from_fn(|| rest.next_pos()).collect();
        let number = |at: usize| arguments.get(at).map_or(Ok(0), |text| text.parse::<i64>());
        let id = LeaseId(number(0)?);
        let now = Time::from_ms(self.now_ms);
        let answer = match command.name.as_str() {
            "grant" => match self.lessor.grant(id, number(1)?) {
                Ok(grant) => {
                    self.deadlines.granted(grant, number(1)?, now);
                    "granted".to_owned()
                }
                Err(error) => error.to_string(),
            },
            "revoke" => match self.lessor.revoke(id) {
                Ok(keys) => {
                    self.deadlines.removed(id);
                    format!("revoked, delete {keys:?}")
                }
                Err(error) => error.to_string(),
            },
            "attach" => {
                self.lessor.attach(id, Bytes::copy_from_slice(arguments[1].as_bytes()));
                String::new()
            }
            "detach" => {
                self.lessor.detach(id, &Bytes::copy_from_slice(arguments[1].as_bytes()));
                String::new()
            }
            "keys" => format!("{:?}", self.lessor.keys(id).collect::<Vec<_>>()),
            "checkpoint" => self.note(id, Some(number(1)?)),
            "clear" => self.note(id, None),
            "clearing" => {
                self.deadlines.clearing(id);
                String::new()
            }
            "leases" => {
                let mut text = String::new();
                for Lease { id, grant_number: _, granted_ttl_secs, remaining_ttl_secs } in self.lessor.iter()
                {
                    writeln!(text, "lease {} ttl={granted_ttl_secs}s left={remaining_ttl_secs:?}", id.0)?;
                }
                text
            }
            "promote" => {
                self.deadlines.promote(now, ELECTION_TIMEOUT_MS, &self.lessor);
                String::new()
            }
            "refused" => {
                let grant = self.lessor.get(id).map(Lease::grant);
                self.deadlines.refused(grant.unwrap_or(Grant { lease: id, number: 0 }), now);
                String::new()
            }
            "demote" => {
                self.deadlines.demote();
                String::new()
            }
            "asleep" => {
                self.now_ms += u64::try_from(number(0)?)?;
                String::new()
            }
            "after" => self.after(u64::try_from(number(0)?)?)?,
            "keepalive" => self.keepalive(id, now),
            "remaining" => format!("{:?}", self.deadlines.remaining_ms(id, now)),
            "soonest" => format!("{:?}", self.deadlines.soonest_first()),
            other => return Err(format!("unknown command {other}").into()),
        };
        Ok(answer)
    }
}

impl Script {
    /// As `apply` does with what is left of a lease.
    fn note(&mut self, id: LeaseId, remaining_secs: Option<i64>) -> String {
        if !self.lessor.contains(id) {
            return "no such lease".to_owned();
        }
        match remaining_secs {
            Some(secs) => self.lessor.checkpoint(id, secs),
            None => self.lessor.clear_remaining(id),
        }
        "applied".to_owned()
    }

    /// Lets time pass, waking whenever the deadlines ask to be. Checkpoints are applied at once; ends are printed.
    fn after(&mut self, ms: u64) -> Result<String, Box<dyn Error>> {
        let until = self.now_ms + ms;
        let mut text = String::new();
        while let Some(at) = self.deadlines.next_at().filter(|at| at.as_ms() <= until) {
            self.now_ms = self.now_ms.max(at.as_ms());
            let now = Time::from_ms(self.now_ms);
            for grant in self.deadlines.take_due(now, 2) {
                writeln!(text, "{} ms: lease {} is due", self.now_ms, grant.lease.0)?;
            }
            for (Grant { lease, .. }, left_secs) in self.deadlines.take_checkpoints(now, 2) {
                writeln!(text, "{} ms: record {left_secs} s left of lease {}", self.now_ms, lease.0)?;
                self.note(lease, Some(left_secs));
            }
        }
        self.now_ms = until;
        Ok(text)
    }

    /// The rule of a keepalive, with every proposal applied at once.
    fn keepalive(&mut self, id: LeaseId, now: Time) -> String {
        let Some(ttl_secs) = self.lessor.get(id).map(|lease| lease.granted_ttl_secs) else {
            return "ttl 0".to_owned();
        };
        if self.deadlines.is_expiring(id) {
            return "ttl 0 (expiring)".to_owned();
        }
        let is_cleared = self.deadlines.needs_clearing(id);
        if is_cleared {
            self.deadlines.clearing(id);
            self.lessor.clear_remaining(id);
        }
        match self.deadlines.renewed(id, ttl_secs, now) {
            true => format!("ttl {ttl_secs}{}", if is_cleared { " (cleared through the log)" } else { "" }),
            false => "ttl 0".to_owned(),
        }
    }
}

/// A view does not change, the hash depends on the leases alone, and both survive thousands of ids in any order.
#[test]
fn views_and_hash_hold_over_many_leases() {
    let mut lessor = Lessor::default();
    let mut expected = std::collections::BTreeMap::new();
    let mut seed = 7u64;
    let mut frozen = Vec::new();
    for step in 0..20_000u64 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let id = LeaseId(((seed >> 40) % 6_000) as i64 - 2_999);
        if id.0 == 0 {
            continue;
        }
        // Grow first, then shrink, so that chunks split and merge.
        if (seed >> 20) % 10 < if step < 10_000 { 7 } else { 2 } {
            assert_eq!(lessor.grant(id, 60).is_ok(), expected.insert(id, None::<i64>).is_none());
            let left = lessor.get(id).unwrap().remaining_ttl_secs;
            expected.insert(id, left);
        } else {
            assert_eq!(lessor.revoke(id).is_ok(), expected.remove(&id).is_some());
        }
        if step % 4_000 == 0 {
            frozen.push((lessor.view(), lessor.iter().copied().collect::<Vec<_>>()));
        }
    }
    for (view, leases) in frozen {
        assert!(view.iter().eq(leases.iter()));
        assert_eq!(view.len(), leases.len());
    }
    assert!(lessor.iter().map(|lease| lease.id).eq(expected.keys().copied()));
    let loaded = Lessor::from_leases(lessor.grants(), lessor.iter().copied()).unwrap();
    assert_eq!((loaded.hash(), loaded.len()), (lessor.hash(), lessor.len()));
    let newest = lessor.iter().map(|lease| lease.grant_number).max().unwrap();
    assert!(newest <= lessor.grants());
    assert!(Lessor::from_leases(newest - 1, lessor.iter().copied()).is_err(), "a grant that was never made");
    let twice = lessor.iter().chain(lessor.iter()).copied();
    assert!(Lessor::from_leases(lessor.grants(), twice).is_err());
}
