//! The events of a run, and one hash over all of them: two runs of a seed are the same run if their hashes are equal.
//!
//! It is a hash chain: each event is hashed with its simulated time, its place and its bytes, and with the hash of all
//! events before. So the last link stands for the whole run, and where two chains differ first, the runs did. What is
//! kept besides is chosen when the trace is created, and costs nothing otherwise: a run that fails is run again, with
//! its events kept.

use std::fmt;
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use twox_hash::XxHash3_128;

/// A run's trace. Cheap to clone; all clones are the same trace.
#[derive(Clone)]
pub struct Trace(Arc<Mutex<Inner>>);

struct Inner {
    /// The last link.
    link: u128,
    events: u64,
    memory: Memory,
    /// A buffer for the input of the next link.
    room: Vec<u8>,
}

/// What a trace keeps besides its hash.
enum Memory {
    Nothing,
    /// Every event, printed as it happens and kept.
    Prints(Vec<Event>),
    Links(Vec<u128>),
    Events(Vec<Event>),
    /// Another run's links, and the first event that differed.
    Compares(Vec<u128>, Option<Event>),
}

/// One event of a run whose events are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its place in the order of all, from 0.
    pub number: u64,
    /// When, since the run began.
    pub at: Duration,
    /// Where: a member, a client, the nemesis.
    pub place: String,
    /// How the timeline draws it.
    pub shape: Shape,
    /// What happened, in words.
    pub what: String,
    /// The hash of its bytes. It identifies a frame where it arrives.
    pub bytes: u128,
    /// The chain up to here.
    pub link: u128,
}

/// How the timeline draws an event. Not part of the hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Something happened at one moment.
    Point,
    /// Bytes are sent to this place.
    Sent(String),
    /// They come from this place.
    Received(String),
    /// Something begins that lasts, of this kind.
    Begins(&'static str),
    /// It ends.
    Ends(&'static str),
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>10.4} {:<7} {}", self.at.as_secs_f64(), self.place, self.what)
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace").field("events", &self.events()).finish()
    }
}

impl Default for Trace {
    fn default() -> Trace {
        Trace::with(Memory::Nothing)
    }
}

impl Trace {
    /// One that prints every event as it happens, and keeps it.
    pub fn printing() -> Trace {
        Trace::with(Memory::Prints(Vec::new()))
    }

    /// One that keeps every event.
    pub fn keeping() -> Trace {
        Trace::with(Memory::Events(Vec::new()))
    }

    /// One that keeps its links, so that another run can be compared with it.
    pub fn linking() -> Trace {
        Trace::with(Memory::Links(Vec::new()))
    }

    /// One that is compared, as it goes, with the links of another run.
    pub fn comparing(links: Vec<u128>) -> Trace {
        Trace::with(Memory::Compares(links, None))
    }

    fn with(memory: Memory) -> Trace {
        Trace(Arc::new(Mutex::new(Inner { link: 0, events: 0, memory, room: Vec::new() })))
    }

    /// Something happened, now. `bytes` are hashed and not kept.
    pub fn event(&self, place: &str, what: fmt::Arguments<'_>, bytes: &[u8]) {
        self.lock().add(place, || Shape::Point, what, bytes);
    }

    /// Bytes leave one place for another. `words` describe the bytes, and are formatted only where they are kept or
    /// printed.
    pub fn sent(&self, place: &str, to: &str, words: &dyn fmt::Display, bytes: &[u8]) {
        self.lock().pass(place, format_args!("to {to}"), || Shape::Sent(to.to_owned()), words, bytes);
    }

    /// Bytes that left another place arrive.
    pub fn received(&self, place: &str, from: &str, words: &dyn fmt::Display, bytes: &[u8]) {
        self.lock().pass(
            place,
            format_args!("from {from}"),
            || Shape::Received(from.to_owned()),
            words,
            bytes,
        );
    }

    /// Something of this kind begins, which lasts until `ends`.
    pub fn begins(&self, place: &str, kind: &'static str, what: fmt::Arguments<'_>) {
        self.lock().add(place, || Shape::Begins(kind), what, &[]);
    }

    /// What began ends.
    pub fn ends(&self, place: &str, kind: &'static str, what: fmt::Arguments<'_>) {
        self.lock().add(place, || Shape::Ends(kind), what, &[]);
    }

    /// The hash.
    pub fn hash(&self) -> u128 {
        self.lock().link
    }

    /// How many events there were.
    pub fn events(&self) -> u64 {
        self.lock().events
    }

    /// The links of a trace that keeps them; none of any other.
    pub fn links(&self) -> Vec<u128> {
        match &self.lock().memory {
            Memory::Links(links) => links.clone(),
            _ => Vec::new(),
        }
    }

    /// The events of a trace that keeps them, in order; none of any other.
    pub fn kept(&self) -> Vec<Event> {
        match &self.lock().memory {
            Memory::Events(events) | Memory::Prints(events) => events.clone(),
            _ => Vec::new(),
        }
    }

    /// The first event that was not in the run that this one is compared with.
    pub fn parted(&self) -> Option<Event> {
        match &self.lock().memory {
            Memory::Compares(_, parted) => parted.clone(),
            _ => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("no panic while it is held")
    }
}

impl Inner {
    fn add(&mut self, place: &str, shape: impl FnOnce() -> Shape, what: fmt::Arguments<'_>, bytes: &[u8]) {
        self.link(place, what, bytes, |event| (event.shape, event.what) = (shape(), what.to_string()));
    }

    fn pass(
        &mut self,
        place: &str,
        direction: fmt::Arguments<'_>,
        shape: impl FnOnce() -> Shape,
        words: &dyn fmt::Display,
        bytes: &[u8],
    ) {
        self.link(place, direction, bytes, |event| {
            (event.shape, event.what) = (shape(), format!("{direction}: {words}"))
        });
    }

    /// The next link; `describe` fills in what only a reader wants.
    fn link(
        &mut self,
        place: &str,
        what: fmt::Arguments<'_>,
        bytes: &[u8],
        describe: impl FnOnce(&mut Event),
    ) {
        let at = crate::clock::simulated_now();
        let number = self.events;
        self.events += 1;
        self.room.clear();
        self.room.extend_from_slice(&self.link.to_le_bytes());
        self.room.extend_from_slice(&at.as_nanos().to_le_bytes());
        // A place contains no zero, so its end is unambiguous.
        self.room.extend_from_slice(place.as_bytes());
        self.room.push(0);
        self.room.write_fmt(what).expect("a vector takes all that is written");
        self.room.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        self.room.extend_from_slice(bytes);
        self.link = XxHash3_128::oneshot(&self.room);
        let link = self.link;
        let event = || {
            let (place, bytes) = (place.to_owned(), XxHash3_128::oneshot(bytes));
            let mut event =
                Event { number, at, place, shape: Shape::Point, what: String::new(), bytes, link };
            describe(&mut event);
            event
        };
        match &mut self.memory {
            Memory::Nothing => {}
            Memory::Prints(events) => {
                let event = event();
                println!("{event}");
                events.push(event);
            }
            Memory::Links(links) => links.push(link),
            Memory::Events(events) => events.push(event()),
            Memory::Compares(links, parted) => {
                let place = usize::try_from(number).expect("events fit in memory");
                if parted.is_none() && links.get(place) != Some(&link) {
                    *parted = Some(event());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traced(trace: Trace, events: &[&str]) -> Trace {
        for event in events {
            trace.event("m0", format_args!("{event}"), event.as_bytes());
        }
        trace
    }

    #[test]
    fn what_is_kept_does_not_change_the_hash() {
        let plain = traced(Trace::default(), &["a", "b"]);
        for other in [Trace::keeping(), Trace::linking(), Trace::comparing(Vec::new())] {
            assert_eq!(traced(other, &["a", "b"]).hash(), plain.hash());
        }
        assert_ne!(traced(Trace::default(), &["b", "a"]).hash(), plain.hash());
    }

    #[test]
    fn the_first_event_that_differs_is_named() {
        let links = traced(Trace::linking(), &["a", "b", "c", "d"]).links();
        for (events, parted) in [
            (&["a", "b", "c", "d"][..], None),
            (&["a", "b", "x", "d"], Some((2, "x"))),
            (&["a", "b", "c", "d", "e"], Some((4, "e"))),
        ] {
            let found = traced(Trace::comparing(links.clone()), events).parted();
            let found = found.as_ref().map(|event| (event.number, event.what.as_str()));
            assert_eq!(found, parted, "{events:?}");
        }
    }

    #[test]
    fn a_frame_is_known_again_where_it_arrives() {
        let trace = Trace::keeping();
        trace.sent("m0", "m1", &"a frame", b"frame");
        trace.received("m1", "m0", &"a frame", b"frame");
        let kept = trace.kept();
        assert_eq!(kept[0].bytes, kept[1].bytes);
        assert_eq!((kept[0].number, kept[1].number), (0, 1));
    }
}
