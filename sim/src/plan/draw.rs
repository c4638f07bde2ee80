//! One fault of a class, with everything about it drawn.

use super::class::FaultClass;
use super::fault::{Clog, Fault, PlannedFault};
use crate::disk::{Damage, DamagedFile, OperationKind};
use crate::network::{FrameKind, Link};
use crate::random::{Seed, Stream};

/// The members that faults can be drawn for.
#[derive(Clone, Debug)]
pub(super) struct Targets {
    pub(super) members: usize,
    /// Those that may be lost for good: never a majority.
    pub(super) fragile: Vec<usize>,
}

impl Targets {
    /// One fault of a class and when it happens; of this ordinal, so that it stays what it is when others go. `None`
    /// where there is no member that it may be injected into.
    pub(super) fn planned(
        &self,
        class: FaultClass,
        seed: Seed,
        ordinal: u64,
        ends_ms: u64,
    ) -> Option<PlannedFault> {
        let mut stream = seed.stream(&format!("plan/{}/{ordinal}", class.name()));
        let at_ms = stream.within(0..ends_ms);
        Some(PlannedFault { at_ms, fault: self.draw(class, &mut stream)? })
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each class")]
    fn draw(&self, class: FaultClass, stream: &mut Stream) -> Option<Fault> {
        let members = self.members;
        let member = stream.index(members);
        Some(match class {
            FaultClass::Kills => Fault::Kill { member, down_ms: while_ms(stream) },
            FaultClass::KillsAtOperation => {
                Fault::KillAtOperation { member, operations: count(stream), down_ms: while_ms(stream) }
            }
            FaultClass::KillsOfAll => Fault::KillAll { down_ms: while_ms(stream) },
            FaultClass::Aborts => Fault::Abort { member, down_ms: while_ms(stream) },
            FaultClass::Storms => {
                let boots = stream.within(2..7);
                Fault::Storm { member, operations: (0..boots).map(|_| stream.within(0..60)).collect() }
            }
            FaultClass::Stops => Fault::StopInOrder { member },
            FaultClass::Pauses => Fault::Pause { member, for_ms: while_ms(stream) },
            FaultClass::Cuts => {
                Fault::Cut { links: shape(members, stream), for_ms: stream.within(100..6000) }
            }
            FaultClass::CutOffLeaders => cut_off_leader(members, stream),
            FaultClass::RepeatedAnswers => Fault::RepeatAnswers {
                each_ms: stream.pick(&[20, 100, 500]),
                for_ms: stream.within(2000..8000),
            },
            FaultClass::Swizzles => swizzle(members, stream),
            FaultClass::Losses => Fault::Lose {
                links: shape(members, stream),
                kind: stream.pick(&FrameKind::ALL),
                per_million: stream.pick(&[200_000, 700_000, 1_000_000]),
                for_ms: while_ms(stream),
            },
            FaultClass::SlowSyncs => {
                Fault::SlowSyncs { member, sync_ms: stream.within(20..3000), for_ms: while_ms(stream) }
            }
            FaultClass::SlowSnapshots => {
                Fault::SlowSnapshots { member, each_ms: stream.within(5..1000), for_ms: while_ms(stream) }
            }
            FaultClass::DiskErrors => Fault::FailDisk {
                member,
                operation: stream.pick(&[OperationKind::Read, OperationKind::Write, OperationKind::Sync]),
                after: count(stream),
            },
            FaultClass::FullDisks => Fault::FullDisk { member, for_ms: while_ms(stream) },
            FaultClass::Rot => Fault::Rot {
                member: self.fragile(stream)?,
                file: stream.pick(&[
                    DamagedFile::Log,
                    DamagedFile::Log,
                    DamagedFile::Snapshot,
                    DamagedFile::Meta,
                ]),
                damage: stream.pick(&[
                    Damage::FlippedBit,
                    Damage::EmptySector,
                    Damage::MisdirectedWrite,
                    Damage::CutEnd,
                ]),
                at_per_million: u32::try_from(stream.within(0..1_000_000)).expect("below a million"),
                kills: stream.happens(700_000),
            },
            FaultClass::Wipes => {
                let member = self.fragile(stream)?;
                let comes = stream.happens(700_000);
                Fault::Wipe { member, stranger_after_ms: comes.then(|| stream.within(1..2000)) }
            }
            FaultClass::SentSnapshots => Fault::SendSnapshot {
                member,
                from: stream.index(members),
                overhears: stream.happens(500_000),
                pieces: 1 + stream.index(4),
                sent_per_million: stream.pick(&[1_000_000, 1_000_000, 500_000, 0]),
                down_ms: stream.happens(500_000).then(|| while_ms(stream)),
            },
            FaultClass::LeftSnapshots => Fault::LeaveSnapshot {
                member,
                ahead: stream.pick(&[1, 30, 1 << 40]),
                down_ms: while_ms(stream),
            },
            FaultClass::ClockRates => Fault::ClockRate {
                member,
                micros_per_second: u32::try_from(stream.within(800_000..1_200_000)).expect("about a million"),
            },
            FaultClass::ClockJumps => {
                let most = stream.pick(&[100, 10_000, 3_600_000]);
                Fault::ClockJump { member, by_ms: stream.within(1..most) }
            }
            FaultClass::ClockStalls => Fault::ClockStall { member, for_ms: while_ms(stream) },
        })
    }

    fn fragile(&self, stream: &mut Stream) -> Option<usize> {
        (!self.fragile.is_empty()).then(|| stream.pick(&self.fragile))
    }
}

fn while_ms(stream: &mut Stream) -> u64 {
    let most = stream.pick(&[50, 1000, 5000]);
    stream.within(1..most)
}

fn count(stream: &mut Stream) -> u64 {
    let most = stream.pick(&[5, 50, 500]);
    stream.within(0..most)
}

/// The links that one of the known shapes of partitions takes away.
pub(super) fn shape(members: usize, stream: &mut Stream) -> Vec<Link> {
    let mut order: Vec<usize> = (0..members).collect();
    stream.shuffle(&mut order);
    // Where members stand in the shape.
    let mut place = vec![0; members];
    for (at, member) in order.iter().enumerate() {
        place[*member] = at;
    }
    let half = 1 + stream.index(members.max(2) - 1);
    let kind = stream.within(0..8);
    let share = u32::try_from(stream.within(100_000..900_000)).expect("below a million");
    let mut is_cut = |link: &Link| {
        let (from, to) = (place[link.from], place[link.to]);
        let sides = (from < half, to < half);
        match kind {
            // A split, whole or one way.
            0..=2 => sides.0 != sides.1,
            3 => sides == (true, false),
            // A bridge: the last one is on both sides.
            4 => from + 1 < members && to + 1 < members && sides.0 != sides.1,
            // A chain.
            5 => from.abs_diff(to) > 1,
            // A ring: each receives only from the one before it.
            6 => to != (from + 1) % members,
            // Any links.
            _ => stream.happens(share),
        }
    };
    Link::all(members).filter(|link| is_cut(link)).collect()
}

/// Late frames arrive about when the others have a leader of their own: after one election timeout, and before the one
/// that is cut off steps down, after two at most.
fn cut_off_leader(members: usize, stream: &mut Stream) -> Fault {
    let most_ms = stream.pick(&[500, 1500, 3500]);
    let base_ms = stream.within(most_ms / 4..most_ms);
    let late_ms = (1..members).map(|_| base_ms + stream.within(0..base_ms / 4)).collect();
    Fault::CutOffLeader { late_ms, for_ms: stream.within(base_ms..6000) }
}

/// Links are clogged one after another, and freed in another order.
fn swizzle(members: usize, stream: &mut Stream) -> Fault {
    let mut links: Vec<Link> = Link::all(members).collect();
    stream.shuffle(&mut links);
    links.truncate(links.len().min(1 + stream.index(6)));
    let step_ms = stream.within(1..500);
    let mut ends: Vec<u64> =
        (1..=links.len() as u64).map(|turn| step_ms * (links.len() as u64 + turn)).collect();
    stream.shuffle(&mut ends);
    let clog = |((turn, link), end_ms): ((u64, Link), u64)| {
        let after_ms = turn * step_ms;
        Clog { link, after_ms, for_ms: end_ms - after_ms }
    };
    Fault::Swizzle { clogs: (0..).zip(links).zip(ends).map(clog).collect() }
}
