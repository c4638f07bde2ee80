//! A run as a picture: one HTML file that needs nothing but a browser. Clients and members are lanes; what clients
//! asked are bars, messages lines between lanes, what is down or cut is shaded, and the end is where it broke.
//!
//! This half makes the data from a trace that was kept; `page.html` draws it.

pub mod words;

use crate::trace::{Event, Shape};
use serde::Serialize;
use std::collections::BTreeMap;

/// Events in one file at most, the last ones: a browser still draws them at once.
const EVENTS_MAX: usize = 40_000;
/// The first view shows about so many events before the end.
const IN_VIEW: usize = 600;

const PAGE: &str = include_str!("timeline/page.html");
/// Where in the page the data goes.
const SLOT: &str = "/*RUN*/";

/// The heading of the page.
#[derive(Clone, Debug, Default)]
pub struct Heading {
    /// Which run it is.
    pub title: String,
    /// What was broken; empty where nothing was.
    pub promise: String,
    /// The command that runs it again.
    pub replay: String,
}

/// Times are microseconds since the run began; lanes are places in `lanes`.
#[derive(Serialize)]
struct Run<'a> {
    title: &'a str,
    promise: &'a str,
    replay: &'a str,
    lanes: Vec<&'a str>,
    begins: u64,
    ends: u64,
    view: (u64, u64),
    left_out: usize,
    points: Vec<Point<'a>>,
    spans: Vec<Span<'a>>,
    messages: Vec<Message<'a>>,
}

/// When, lane, kind, words.
type Point<'a> = (u64, usize, &'static str, &'a str);
/// From, until (where it ended), lane, kind, words.
type Span<'a> = (u64, Option<u64>, usize, &'static str, String);
/// Sent, from, taken (where it was), to, kind, words, what became of it.
type Message<'a> = (u64, usize, Option<u64>, usize, &'static str, &'a str, &'static str);

/// The page of a run whose events were kept.
pub fn page(heading: &Heading, events: &[Event]) -> String {
    let left_out = events.len().saturating_sub(EVENTS_MAX);
    let lanes = lanes(events);
    let events = &events[left_out..];
    let ends = events.last().map_or(1, micros);
    let begins = events.first().map_or(0, micros);
    let view_begins = events.iter().nth_back(IN_VIEW).map_or(begins, micros);
    let (spans, messages) = (spans(events, &lanes), messages(events, &lanes));
    let run = Run {
        title: &heading.title,
        promise: &heading.promise,
        replay: &heading.replay,
        points: points(events, &lanes),
        lanes,
        begins,
        ends,
        view: (view_begins, ends + (ends - view_begins) / 20 + 1),
        left_out,
        spans,
        messages,
    };
    // Within a script element nothing but this would end it.
    let data = serde_json::to_string(&run).expect("plain data").replace("</", "<\\/");
    PAGE.replacen(SLOT, &data, 1)
}

fn micros(event: &Event) -> u64 {
    u64::try_from(event.at.as_micros()).expect("a run is short")
}

/// Faults on top, then clients, then members.
fn lanes(events: &[Event]) -> Vec<&str> {
    let rank = |name: &str| match name {
        "nemesis" => 0,
        _ if is_member(name) => 2,
        _ => 1,
    };
    let mut lanes: Vec<&str> = events.iter().map(|event| event.place.as_str()).collect();
    lanes.sort_unstable_by_key(|name| (rank(name), name.len(), *name));
    lanes.dedup();
    lanes
}

fn is_member(name: &str) -> bool {
    name.strip_prefix('m').is_some_and(|place| place.parse::<usize>().is_ok())
}

fn lane(lanes: &[&str], name: &str) -> Option<usize> {
    lanes.iter().position(|lane| *lane == name)
}

fn points<'a>(events: &'a [Event], lanes: &[&str]) -> Vec<Point<'a>> {
    let mut points = Vec::new();
    for event in events.iter().filter(|event| event.shape == Shape::Point) {
        let kind = match event.what.as_str() {
            _ if event.place == "nemesis" => "fault",
            what if what.starts_with("disk ") => "disk",
            _ => "note",
        };
        let lane = lane(lanes, &event.place).expect("every place has a lane");
        points.push((micros(event), lane, kind, event.what.as_str()));
    }
    points
}

/// One of a kind at a time on a lane. What ends without having begun began before the picture does.
fn spans<'a>(events: &'a [Event], lanes: &[&str]) -> Vec<Span<'a>> {
    let first = events.first().map_or(0, micros);
    let mut open: BTreeMap<(usize, &str), (u64, &str)> = BTreeMap::new();
    let mut spans = Vec::new();
    for event in events {
        let lane = lane(lanes, &event.place).expect("every place has a lane");
        match event.shape {
            Shape::Begins(kind) => {
                if kind == "down" {
                    // Spans of the member end with it.
                    let on_lane: Vec<_> = open.keys().filter(|(other, _)| *other == lane).copied().collect();
                    for key in on_lane {
                        let (begins, what) = open.remove(&key).expect("it was just seen");
                        spans.push((begins, Some(micros(event)), lane, known(key.1), what.to_owned()));
                    }
                }
                open.insert((lane, family(kind)), (micros(event), &event.what));
            }
            Shape::Ends(kind) => {
                let (begins, what) = open.remove(&(lane, family(kind))).unwrap_or((first, ""));
                if begins == micros(event) {
                    continue;
                }
                let words = format!("{what}\n{}", event.what);
                spans.push((begins, Some(micros(event)), lane, kind, words.trim().to_owned()));
            }
            Shape::Point | Shape::Sent(_) | Shape::Received(_) => {}
        }
    }
    for ((lane, kind), (begins, what)) in open {
        spans.push((begins, None, lane, known(kind), what.to_owned()));
    }
    spans
}

/// What a span that never ended may be.
const KINDS: [&str; 6] = ["call", "down", "paused", "cut", "slow", "leads"];

fn known(kind: &str) -> &'static str {
    KINDS.iter().find(|known| **known == kind).copied().unwrap_or("other")
}

/// A call ends as what became of it; everything else as what it began as.
fn family(kind: &str) -> &str {
    match kind {
        "done" | "unknown" | "refused" => "call",
        _ => kind,
    }
}

/// A frame is known again by its bytes. One that was sent twice arrives first come, first served; one that arrives
/// more often than it was sent was duplicated by the network.
fn messages<'a>(events: &'a [Event], lanes: &[&str]) -> Vec<Message<'a>> {
    let mut taken: BTreeMap<(usize, usize, u128), Vec<u64>> = BTreeMap::new();
    for event in events {
        if let Shape::Received(from) = &event.shape
            && let (Some(from), Some(to)) = (lane(lanes, from), lane(lanes, &event.place))
        {
            taken.entry((from, to, event.bytes)).or_default().push(micros(event));
        }
    }
    let mut messages = Vec::new();
    for event in events {
        let Shape::Sent(to) = &event.shape else { continue };
        let (Some(from), Some(to)) = (lane(lanes, &event.place), lane(lanes, to)) else { continue };
        let (sent, kind, what) = (micros(event), message_kind(&event.what), event.what.as_str());
        let arrivals = taken.remove(&(from, to, event.bytes)).unwrap_or_default();
        if arrivals.is_empty() {
            messages.push((sent, from, None, to, kind, what, "never arrived"));
        }
        for arrival in arrivals {
            messages.push((sent, from, Some(arrival), to, kind, what, ""));
        }
    }
    messages
}

/// By the first word that says one.
fn message_kind(what: &str) -> &'static str {
    let has = |words: &[&str]| words.iter().any(|word| what.contains(word));
    match () {
        () if has(&["Heartbeat"]) => "beat",
        () if has(&["Vote", "TimeoutNow"]) => "vote",
        () if has(&["Snapshot", "piece"]) => "snapshot",
        () if has(&["Append"]) => "append",
        () if has(&["Forward", "Lease"]) => "forward",
        () if has(&["ReadIndex"]) => "read",
        () => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Trace;

    fn example() -> Vec<Event> {
        let trace = Trace::keeping();
        trace.event("nemesis", format_args!("cut"), &[]);
        trace.begins("client 0", "call", format_args!("put </script>"));
        trace.sent("m0", "m1", &"Append", b"one");
        trace.sent("m0", "m1", &"Heartbeat", b"two");
        trace.received("m1", "m0", &"Append", b"one");
        trace.received("m1", "m0", &"Append", b"one");
        trace.ends("client 0", "done", format_args!("at revision 2"));
        trace.begins("m1", "down", format_args!("loses power"));
        let mut events = trace.kept();
        for event in &mut events {
            event.at = std::time::Duration::from_micros(event.number);
        }
        events
    }

    #[test]
    fn every_event_finds_its_place() {
        let events = example();
        let lanes = lanes(&events);
        assert_eq!(lanes, ["nemesis", "client 0", "m0", "m1"]);
        let spans = spans(&events, &lanes);
        assert_eq!(spans[0], (1, Some(6), 1, "done", "put </script>\nat revision 2".to_owned()));
        assert_eq!(spans[1], (7, None, 3, "down", "loses power".to_owned()));
        let messages = messages(&events, &lanes);
        let kinds: Vec<_> = messages.iter().map(|message| (message.4, message.2.is_some())).collect();
        assert_eq!(kinds, [("append", true), ("append", true), ("beat", false)], "a double and a loss");
        assert_eq!(points(&events, &lanes), [(0, 0, "fault", "cut")]);
    }

    #[test]
    fn nothing_that_happened_ends_the_script() {
        let text = page(&Heading { title: "a run".to_owned(), ..Heading::default() }, &example());
        assert_eq!(text.matches("</script>").count(), 2, "the page has two scripts");
        assert!(!text.contains(SLOT) && text.contains("a run"));
        assert!(!text.contains("http://") && !text.contains("https://"), "a page from disk loads nothing");
    }
}
