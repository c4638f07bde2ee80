//! Which of a run's events a person needs to see how it came to its end. Left out is what repeats without news:
//! heartbeats, the sending of what then arrives, disk operations that succeeded, and requests that no member accepted.

use crate::trace::{Event, Shape};
use std::collections::BTreeMap;
use std::fmt::Write;

/// At most so many.
const EVENTS_MAX: usize = 36;
/// A line is cut here: answers with large values are longer than a screen is wide.
const LINE_CHARS_MAX: usize = 180;
/// What `notable` leaves out. All of it is in the timeline.
const LEFT_OUT: &str =
    "without heartbeats, disk operations that succeeded, and requests that no member accepted";

/// The end of a failing run: the last notable events.
pub fn last_events(events: &[Event]) -> String {
    let notable = notable(events);
    let mut text = format!("the last {} of {} events, {LEFT_OUT}:\n", notable.len(), events.len());
    for event in notable {
        writeln!(text, "  {}", line(event)).expect("a string takes all");
    }
    text
}

/// The last of them, in order.
fn notable(events: &[Event]) -> Vec<&Event> {
    let mut kept: Vec<&Event> = Vec::new();
    // Requests that were not accepted yet, by their lane and the place of the event in `kept`.
    let mut calls: BTreeMap<&str, usize> = BTreeMap::new();
    let mut dropped: Vec<usize> = Vec::new();
    for event in events.iter().filter(|event| is_notable(event)) {
        match event.shape {
            Shape::Begins("call") => drop(calls.insert(&event.place, kept.len())),
            Shape::Ends("refused") if event.what == "NotDone" => {
                dropped.extend(calls.remove(event.place.as_str()));
                continue;
            }
            _ => {}
        }
        kept.push(event);
    }
    dropped.sort_unstable();
    let is_kept = |(place, _): &(usize, &Event)| dropped.binary_search(place).is_err();
    let kept: Vec<&Event> = kept.into_iter().enumerate().filter(is_kept).map(|(_, event)| event).collect();
    kept[kept.len().saturating_sub(EVENTS_MAX)..].to_vec()
}

fn is_notable(event: &Event) -> bool {
    let what = event.what.as_str();
    match &event.shape {
        Shape::Sent(_) => false,
        Shape::Received(_) => !what.contains(": Heartbeat"),
        Shape::Point if what.starts_with("disk ") => what.starts_with("disk fails"),
        // The bytes of a write.
        Shape::Point => !what.starts_with("at "),
        Shape::Begins(_) | Shape::Ends(_) => true,
    }
}

/// An event in one line.
fn line(event: &Event) -> String {
    let text = event.to_string();
    match text.char_indices().nth(LINE_CHARS_MAX) {
        Some((end, _)) => format!("{} ...", &text[..end]),
        None => text,
    }
}
