//! The streams of frames that are open here, each of which may hold a frame of 64 MiB that has not come whole. Their
//! number is bounded: one stream for each sender, the newest, as an older one of the same sender is broken without this
//! member having noticed; and a few on which no frame has named its sender yet. A new stream ends the oldest rather than
//! being refused, so that a stranger who opens many keeps no member out.

use detcd_engine::ids::MemberId;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::oneshot;

/// Streams that no frame has named a sender on, besides one for each other member: followers send each other little.
const UNNAMED_SPARE: usize = 2;

/// All that are open. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Streams {
    others: Arc<[MemberId]>,
    open: Arc<Mutex<Open>>,
}

#[derive(Debug, Default)]
struct Open {
    last: u64,
    /// By age, oldest first.
    streams: BTreeMap<u64, Stream>,
}

#[derive(Debug)]
struct Stream {
    /// Once a frame of another member's has come on it.
    from: Option<MemberId>,
    /// Dropped to end it.
    _end: oneshot::Sender<()>,
}

/// One stream's place; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    streams: Streams,
    number: u64,
    from: Option<MemberId>,
    end: oneshot::Receiver<()>,
}

impl Streams {
    pub(super) fn new(others: Arc<[MemberId]>) -> Streams {
        Streams { others, open: Arc::default() }
    }

    /// A place for a new stream.
    pub(super) fn enter(&self) -> Place {
        let (_end, end) = oneshot::channel();
        let mut open = self.lock();
        open.last += 1;
        let number = open.last;
        open.streams.insert(number, Stream { from: None, _end });
        open.keep_newest(None, self.others.len() + UNNAMED_SPARE);
        Place { streams: self.clone(), number, from: None, end }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().expect("no panic while it is held")
    }
}

impl Open {
    fn keep_newest(&mut self, from: Option<MemberId>, most: usize) {
        let of_sender = |(number, stream): (&u64, &Stream)| (stream.from == from).then_some(*number);
        let numbers: Vec<u64> = self.streams.iter().filter_map(of_sender).collect();
        for number in &numbers[..numbers.len().saturating_sub(most)] {
            self.streams.remove(number);
        }
    }
}

impl Place {
    /// A frame of this member's came on the stream.
    pub(super) fn named(&mut self, from: MemberId) {
        if self.from == Some(from) || !self.streams.others.contains(&from) {
            return;
        }
        self.from = Some(from);
        let mut open = self.streams.lock();
        if let Some(stream) = open.streams.get_mut(&self.number) {
            stream.from = Some(from);
            open.keep_newest(Some(from), 1);
        }
    }

    /// Whose frames came on the stream.
    pub(super) fn from(&self) -> Option<MemberId> {
        self.from
    }

    /// Returns when the stream is to end for newer ones.
    pub(super) async fn ended(&mut self) {
        // Nothing is ever sent.
        let _ = (&mut self.end).await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.streams.lock().streams.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    fn has_ended(place: &mut Place) -> bool {
        pin!(place.ended()).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    fn of(others: [u64; 2]) -> Streams {
        Streams::new(others.map(MemberId).into())
    }

    #[test]
    fn of_one_sender_the_newest_stream_stays() {
        let streams = of([2, 3]);
        let mut places: Vec<Place> = (0..3).map(|_| streams.enter()).collect();
        places.iter_mut().zip([2, 3, 2]).for_each(|(place, from)| place.named(MemberId(from)));
        assert_eq!(places.iter_mut().map(has_ended).collect::<Vec<_>>(), [true, false, false]);
    }

    #[test]
    fn strangers_end_strangers_and_nobody_else() {
        let streams = of([2, 3]);
        let mut honest = streams.enter();
        honest.named(MemberId(2));
        let mut strangers: Vec<Place> = (0..40).map(|_| streams.enter()).collect();
        // Whoever speaks in nobody's name has not said who it is.
        strangers.iter_mut().for_each(|place| place.named(MemberId(9)));
        let ended = strangers.iter_mut().map(has_ended).filter(|ended| *ended).count();
        assert_eq!((ended, has_ended(&mut honest)), (36, false));
        strangers.clear();
        assert_eq!(streams.lock().streams.len(), 1, "places are given back");
    }
}
