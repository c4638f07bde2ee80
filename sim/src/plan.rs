//! What goes wrong in a run, and when: drawn before it begins, so that the same plan can be run again with less in it.

use crate::random::Stream;
use std::time::Duration;

/// Faults end here; then everything is made whole and all must go well.
const TROUBLE: Duration = Duration::from_secs(20);

/// The faults of a run, in order of time.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Each with when it happens, from the start.
    pub faults: Vec<(Duration, Fault)>,
    /// When all is made whole.
    pub ends: Duration,
}

/// One thing that goes wrong. Members are named by their place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The machine loses power and comes back.
    Kill {
        /// Which.
        member: usize,
        /// Without power for so long.
        down: Duration,
    },
    /// As `Kill`, in the middle of its so many-th disk operation from now.
    KillAtOperation {
        /// Which.
        member: usize,
        /// How many operations are still done.
        operations: u64,
        /// Without power for so long.
        down: Duration,
    },
    /// All machines lose power at once.
    KillAll {
        /// Without power for so long.
        down: Duration,
    },
    /// The member stops as it does on SIGTERM, and starts again at once.
    StopInOrder {
        /// Which.
        member: usize,
    },
    /// The process stands still; its disk and what arrives for it do not.
    Pause {
        /// Which.
        member: usize,
        /// For so long.
        pause: Duration,
    },
    /// No frame passes from one of the first to one of the second. Other cuts stay until the network is healed.
    Cut {
        /// From these.
        from: Vec<usize>,
        /// To these.
        to: Vec<usize>,
        /// Nor back.
        both_ways: bool,
    },
    /// All links are whole.
    Heal,
    /// A member's clock runs at another rate, in microseconds a second.
    ClockRate {
        /// Which.
        member: usize,
        /// A million is true.
        micros_per_second: u32,
    },
    /// A member's clock jumps forward.
    ClockJump {
        /// Which.
        member: usize,
        /// By so much.
        by: Duration,
    },
}

/// How often each class of fault comes: so many in the time of trouble, on average. Zero switches a class off.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    kills: u64,
    kills_at_operation: u64,
    kills_of_all: u64,
    stops: u64,
    pauses: u64,
    cuts: u64,
    clocks: u64,
}

impl Rates {
    /// Each class is off in half of all runs.
    pub fn draw(stream: &mut Stream) -> Rates {
        let mut rate = |most: u64| if stream.happens(500_000) { 0 } else { stream.within(1..most + 1) };
        Rates {
            kills: rate(8),
            kills_at_operation: rate(8),
            kills_of_all: rate(3),
            stops: rate(3),
            pauses: rate(4),
            cuts: rate(8),
            clocks: rate(6),
        }
    }
}

/// One fault of a class, for a cluster of so many members.
type DrawFault = fn(&mut Stream, usize) -> Fault;

impl Plan {
    /// A plan for so many members.
    pub fn draw(members: usize, rates: &Rates, stream: &mut Stream) -> Plan {
        let Rates { kills, kills_at_operation, kills_of_all, stops, pauses, cuts, clocks } = *rates;
        let classes: [(u64, DrawFault); 7] = [
            (kills, kill),
            (kills_at_operation, kill_at_operation),
            (kills_of_all, |stream, _| Fault::KillAll { down: down(stream) }),
            (stops, |stream, members| Fault::StopInOrder { member: stream.index(members) }),
            (pauses, pause),
            (cuts, cut),
            (clocks, clock),
        ];
        let mut faults = Vec::new();
        for (count, draw) in classes {
            for _ in 0..count {
                let at = moment(stream);
                let fault = draw(stream, members);
                if matches!(fault, Fault::Cut { .. }) {
                    let heals = at + Duration::from_millis(stream.within(100..6000));
                    faults.push((heals, Fault::Heal));
                }
                faults.push((at, fault));
            }
        }
        faults.sort_by_key(|(at, _)| *at);
        Plan { faults, ends: TROUBLE }
    }
}

fn moment(stream: &mut Stream) -> Duration {
    Duration::from_millis(stream.within(0..u64::try_from(TROUBLE.as_millis()).expect("seconds")))
}

fn down(stream: &mut Stream) -> Duration {
    let most = stream.pick(&[50, 1000, 5000]);
    Duration::from_millis(stream.within(1..most))
}

fn kill(stream: &mut Stream, members: usize) -> Fault {
    Fault::Kill { member: stream.index(members), down: down(stream) }
}

fn kill_at_operation(stream: &mut Stream, members: usize) -> Fault {
    let most = stream.pick(&[5, 50, 500]);
    let operations = stream.within(0..most);
    Fault::KillAtOperation { member: stream.index(members), operations, down: down(stream) }
}

fn pause(stream: &mut Stream, members: usize) -> Fault {
    Fault::Pause { member: stream.index(members), pause: down(stream) }
}

/// Any split, in either direction or both: one member alone is as likely as a split down the middle.
fn cut(stream: &mut Stream, members: usize) -> Fault {
    let mut places: Vec<usize> = (0..members).collect();
    stream.shuffle(&mut places);
    let to = places.split_off(members.min(1 + stream.index(members.max(2) - 1)));
    Fault::Cut { from: places, to, both_ways: stream.happens(600_000) }
}

fn clock(stream: &mut Stream, members: usize) -> Fault {
    let member = stream.index(members);
    if stream.happens(700_000) {
        let micros_per_second = u32::try_from(stream.within(800_000..1_200_000)).expect("about a million");
        return Fault::ClockRate { member, micros_per_second };
    }
    let most = stream.pick(&[100, 10_000, 3_600_000]);
    Fault::ClockJump { member, by: Duration::from_millis(stream.within(1..most)) }
}
