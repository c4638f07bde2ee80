//! Scripts from a seed: what clients ask, and what only a fuzzer would.
//!
//! Nothing here knows an answer. A script keeps in mind what it asked for (leases, watches), so that it mostly asks
//! about what is there; revisions are symbols. Reads come in runs, because the runner has them under way together.
//! Leases live for days or end at once; one that ends by itself is waited for before anything else is asked.

mod keys;
mod kv;
mod lease;
mod txn;
mod watch;

use crate::catalog::Rpc;
use crate::script::{Step, Stop};
use detcd::pb;
use detcd_engine::random::Random;
use prost::Message;

/// Writes and reads between two restarts, about.
const RESTART_EVERY: u64 = 4_000;
/// Steps between two compactions, about: long enough for some history, short enough that etcd's watches, which read
/// at most a thousand revisions at once, read all of it at once.
const COMPACT_EVERY: u64 = 250;

/// Steps between two leases that end by themselves, about: each takes seconds.
const EXPIRY_EVERY: u64 = 2_500;

/// The script of a seed, with about so many steps.
pub(crate) fn script(seed: u64, steps: usize) -> Vec<Step> {
    let mut generate = Generate::new(seed);
    generate.leases.may_choose = generate.one_in(2);
    while generate.steps.len() < steps {
        generate.some();
    }
    generate.restart();
    generate.everything();
    generate.steps
}

struct Generate {
    random: Random,
    steps: Vec<Step>,
    leases: lease::Leases,
    watches: watch::Watches,
}

impl Generate {
    fn new(seed: u64) -> Generate {
        Generate {
            random: Random::new(seed),
            steps: Vec::new(),
            leases: lease::Leases::default(),
            watches: watch::Watches::default(),
        }
    }

    /// The next step, or the next few that belong together.
    fn some(&mut self) {
        if self.one_in(RESTART_EVERY) {
            self.restart();
            self.everything();
        } else if self.one_in(COMPACT_EVERY) {
            self.compact();
        } else if self.one_in(1_500) {
            self.alarm();
        } else if self.one_in(EXPIRY_EVERY) {
            self.lease_that_ends();
        }
        match self.random.below(100) {
            0..12 => self.reads(),
            12..45 => self.put(),
            45..55 => self.delete(),
            55..82 => self.transaction(),
            82..94 => self.lease(),
            _ => self.watch(),
        }
        if self.one_in(4) {
            self.call("HashKV", &pb::HashKvRequest::default());
        }
    }

    /// A run of requests that change nothing.
    fn reads(&mut self) {
        for _ in 0..4 + self.random.below(13) {
            match self.random.below(40) {
                0 => self.call("Status", &pb::StatusRequest {}),
                1 => {
                    let linearizable = self.one_in(2);
                    self.call("MemberList", &pb::MemberListRequest { linearizable });
                }
                2 => self.call("LeaseLeases", &pb::LeaseLeasesRequest {}),
                3..6 => self.time_to_live(),
                6..9 => {
                    let revision = self.revision();
                    self.call("HashKV", &pb::HashKvRequest { revision });
                }
                _ => {
                    let range = self.range_request();
                    self.call("Range", &range);
                }
            }
        }
    }

    fn compact(&mut self) {
        let revision = match self.random.below(12) {
            0 => *self.pick(&[0, -1, i64::MIN, i64::MAX, 1]),
            1 => crate::symbols::NOW + self.offset(3),
            2 => crate::symbols::COMPACTED + self.offset(2),
            3 => crate::symbols::NOW,
            _ => crate::symbols::NOW - self.below(120),
        };
        let physical = self.one_in(4);
        self.call("Compact", &pb::CompactionRequest { revision, physical });
    }

    fn restart(&mut self) {
        let how = if self.one_in(2) { Stop::Term } else { Stop::Kill };
        self.watches.forget();
        self.steps.push(Step::Restart(how));
    }

    /// The whole state, as far as clients can see it.
    fn everything(&mut self) {
        use crate::symbols::{COMPACTED, NOW};
        for revision in [0, NOW, NOW - 1, NOW - 7, NOW - 40, COMPACTED + 1, COMPACTED, COMPACTED - 1, NOW + 1]
        {
            self.call("Range", &self.all_keys(revision));
            self.call("HashKV", &pb::HashKvRequest { revision });
        }
        self.call("LeaseLeases", &pb::LeaseLeasesRequest {});
        for id in self.leases.all() {
            self.call("LeaseTimeToLive", &pb::LeaseTimeToLiveRequest { id, keys: true });
        }
        self.call("Status", &pb::StatusRequest {});
        self.call("Alarm", &pb::AlarmRequest::default());
    }

    /// An alarm, some requests under it, and its end. No watch is touched meanwhile: their comparison writes.
    fn alarm(&mut self) {
        let kind = *self.pick(&[pb::AlarmType::Nospace, pb::AlarmType::Corrupt, pb::AlarmType::None]);
        let member_id = *self.pick(&[crate::symbols::MEMBER, crate::symbols::MEMBER, 77, 0]);
        let alarm = |action: pb::alarm_request::AlarmAction, alarm: i32| pb::AlarmRequest {
            action: action.into(),
            member_id,
            alarm,
        };
        use pb::alarm_request::AlarmAction::{Activate, Deactivate, Get};
        self.call("Alarm", &alarm(Activate, kind.into()));
        for _ in 0..self.random.below(25) {
            match self.random.below(12) {
                0 => self.reads(),
                1..4 => self.put(),
                4..6 => self.delete(),
                6..9 => self.transaction(),
                9..11 => self.lease(),
                _ => {
                    let listed = i32::try_from(self.random.below(4)).expect("below 4");
                    self.call("Alarm", &alarm(Get, listed));
                }
            }
        }
        self.call("Alarm", &alarm(Deactivate, kind.into()));
        self.call("Alarm", &alarm(Get, 0));
    }

    fn call(&mut self, name: &str, request: &impl Message) {
        let rpc = Rpc::named(name).expect("a call of etcd's");
        let message = rpc.request(request);
        self.steps.push(Step::Call(rpc, message));
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.random.below(n) == 0
    }

    fn below(&mut self, n: u64) -> i64 {
        i64::try_from(self.random.below(n)).expect("bounds are small")
    }

    /// Between `-reach` and `reach`.
    fn offset(&mut self, reach: u64) -> i64 {
        self.below(2 * reach + 1) - i64::try_from(reach).expect("reaches are small")
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        let at = self.random.below(u64::try_from(of.len()).expect("a short list"));
        &of[usize::try_from(at).expect("below the length of a list")]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::{parse, print};

    #[test]
    fn a_seed_fixes_its_script_and_the_script_survives_its_text() {
        let script = script(7, 3_000);
        assert_eq!(script, super::script(7, 3_000));
        assert_ne!(script, super::script(8, 3_000));
        assert_eq!(parse(&print(&script)).unwrap(), script);
    }

    #[test]
    fn every_call_is_asked() {
        let script = script(1, 20_000);
        for name in [
            "Range",
            "Put",
            "DeleteRange",
            "Txn",
            "Compact",
            "LeaseGrant",
            "LeaseRevoke",
            "LeaseKeepAlive",
            "LeaseTimeToLive",
            "LeaseLeases",
            "Watch",
            "CloseWatch",
            "AwaitEnd",
            "Alarm",
            "Status",
            "HashKV",
            "MemberList",
            "Restart",
        ] {
            assert!(script.iter().any(|step| step.to_string().starts_with(name)), "{name}");
        }
    }
}
