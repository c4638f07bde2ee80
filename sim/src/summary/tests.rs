//! The summary of a made-up run that failed.

use super::*;
use crate::last_events::last_events;
use crate::network::FrameCounts;
use crate::plan::{Fault, PlannedFault};
use std::time::Duration;

const SUMMARY: &str = include_str!("failed.txt");

fn event(number: u64, place: &str, shape: Shape, what: &str) -> Event {
    let (at, link) = (Duration::from_millis(250 * number), u128::from(number));
    Event { number, at, place: place.to_owned(), shape, what: what.to_owned(), bytes: 0, link }
}

/// What every member and one client did, with the first of two faults.
fn events() -> Vec<Event> {
    let sent = |to: &str| Shape::Sent(to.to_owned());
    let received = |from: &str| Shape::Received(from.to_owned());
    let kill = format!("{:?}", kill());
    let happened = [
        ("m0", Shape::Ends("down"), "starts, boot 1"),
        ("m1", Shape::Ends("down"), "starts, boot 1"),
        ("m2", Shape::Ends("down"), "starts, boot 1"),
        ("m0", Shape::Point, "disk sync /data/member/wal/0.wal in 500us"),
        ("m0", sent("m1"), "to m1: Vote term 2 index 1"),
        ("m1", received("m0"), "from m0: Vote term 2 index 1"),
        ("m0", Shape::Begins("leads"), "leads in term 2"),
        ("m1", received("m0"), "from m0: Heartbeat term 2 index 0"),
        ("client 0", Shape::Begins("call"), "at m2: Compact"),
        ("client 0", Shape::Ends("refused"), "NotDone"),
        ("client 0", Shape::Begins("call"), "at m0: LeaseLeases"),
        ("client 0", Shape::Ends("done"), "Done"),
        ("nemesis", Shape::Point, kill.as_str()),
        ("m0", Shape::Begins("down"), "loses power"),
        ("m2", Shape::Point, "has lost its disk"),
        ("m1", Shape::Point, "disk fails: sync"),
    ];
    let numbered = happened.into_iter().zip(0..);
    numbered.map(|((place, shape, what), number)| event(number, place, shape, what)).collect()
}

fn kill() -> Fault {
    Fault::Kill { member: 0, down_ms: 100 }
}

#[test]
fn a_failed_run_is_told_on_one_screen() {
    let mut case = Case::standard(7, 20_000);
    let cut = Fault::Cut { links: Vec::new(), for_ms: 10 };
    let planned = |at_ms, fault| PlannedFault { at_ms, fault };
    case.swarm.plan.faults = vec![planned(3000, kill()), planned(9000, kill()), planned(9000, cut)];
    case.swarm.load.clients = vec![Role::Registers, Role::Registers, Role::Watches];
    case.bug = Some("ack_before_sync".to_owned());
    let registers =
        ClientCounts { done: 120, refused: 1, not_done: 30, unknown: 4, ..ClientCounts::default() };
    let watches = ClientCounts { streams: 3, responses: 44, ..ClientCounts::default() };
    let observed = Observed {
        probes: BTreeMap::from([("a_probe", 3)]),
        clients: vec![registers, registers, watches],
        frames: FrameCounts { delivered: 1000, lost: 10, overflowed: 1, refused: 2 },
    };
    let text = "promise broken: one leader in a term, but in term 2 there are m0 and m1".to_owned();
    let (outcome, events) = (Err(Broken { text }), events());
    let summary = Summary { case: &case, outcome: &outcome, observed: &observed, events: &events };
    let text = format!("{}\n{}", summary.text(), last_events(&events));
    assert_eq!(text, SUMMARY, "got:\n{text}");
    assert!(text.lines().count() < 50 && text.lines().all(|line| line.chars().count() < 120), "{text}");
}

#[test]
fn a_long_run_ends_with_a_few_events_of_a_bounded_length() {
    let long = |number| event(number, "m0", Shape::Point, &"ä".repeat(1000));
    let events: Vec<Event> = (0..1000).map(long).collect();
    let text = last_events(&events);
    assert!(text.lines().count() < 50 && text.lines().all(|line| line.chars().count() < 200), "{text}");
    assert!(text.contains("of 1000 events"), "{text}");
}
