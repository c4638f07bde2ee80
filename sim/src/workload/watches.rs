//! Watchers: from the past, from now, from the future; filtered; with previous values, progress and fragments; read
//! at once or slowly; cancelled; and resumed at another member, from the revision after the last one seen.

use super::client::Client;
use super::keys::{everything, prefix};
use crate::client_transport::WatchFeed;
use crate::history::StreamPlace;
use crate::watch_response::WatchResponse;
use detcd_engine::ids::WatchId;
use detcd_engine::key_range::KeyRange;
use detcd_engine::watch::{WatchCreate, WatchInput};
use madsim::time::{sleep, timeout};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// How long a client waits for a response before it checks whether there is something else to do.
const LOOK: Duration = Duration::from_millis(200);
/// Watchers on one stream, at most.
const WATCHERS_MAX: usize = 4;

/// One stream, as its client sees it.
struct Session {
    place: StreamPlace,
    feed: Box<dyn WatchFeed>,
    /// Asked for and not answered yet.
    asked: VecDeque<WatchCreate>,
    /// Each with the first revision that it has not seen.
    watchers: BTreeMap<WatchId, WatchCreate>,
}

/// One client, to the end.
pub async fn run(mut client: Client) {
    let mut resumes: Vec<WatchCreate> = Vec::new();
    while client.goes_on().await {
        client.use_next_member();
        let Some(feed) = client.open_watch().await else {
            sleep(LOOK).await;
            continue;
        };
        let place = client.history.open_stream(client.place, client.member);
        let mut session = Session { place, feed, asked: VecDeque::new(), watchers: BTreeMap::new() };
        for create in resumes.drain(..) {
            session.create(&client, create);
        }
        while session.asked.len() < 1 + client.stream.index(WATCHERS_MAX) {
            let create = draw(&mut client);
            session.create(&client, create);
        }
        session.follow(&mut client).await;
        client.history.close_stream(place);
        if client.stream.happens(700_000) {
            resumes.extend(session.watchers.into_values().take(WATCHERS_MAX));
        }
    }
}

impl Session {
    fn ask(&mut self, client: &Client, ask: WatchInput) {
        client.history.watch_asked(self.place, ask.clone());
        self.feed.send(ask);
    }

    fn create(&mut self, client: &Client, create: WatchCreate) {
        self.asked.push_back(create.clone());
        self.ask(client, WatchInput::Create(create));
    }

    /// Until the stream ends, or its time is over; to the end of the run where the clients become quiet meanwhile.
    async fn follow(&mut self, client: &mut Client) {
        let leaves = crate::clock::simulated_now() + Duration::from_millis(client.stream.within(300..9000));
        let is_slow = client.load.slow_watch_ms > 0 && client.stream.happens(500_000);
        while !client.phase.has_ended() {
            if !client.phase.is_quiet() {
                if crate::clock::simulated_now() > leaves {
                    return;
                }
                self.do_something(client);
                if is_slow && client.stream.happens(200_000) {
                    sleep(Duration::from_millis(client.load.slow_watch_ms)).await;
                }
            }
            match timeout(LOOK, self.feed.next()).await {
                Err(_) => {}
                Ok(None) => return,
                Ok(Some(response)) => {
                    client.history.watch_received(self.place, response.clone());
                    if !self.take(response) {
                        return;
                    }
                }
            }
        }
    }

    fn do_something(&mut self, client: &mut Client) {
        match client.stream.index(60) {
            0 => {
                if let Some(id) = self.watchers.keys().next().copied() {
                    self.watchers.remove(&id);
                    self.ask(client, WatchInput::Cancel(id));
                }
            }
            1..4 => self.ask(client, WatchInput::Progress),
            4 if self.watchers.len() + self.asked.len() < WATCHERS_MAX => {
                let create = draw(client);
                self.create(client, create);
            }
            _ => {}
        }
    }

    /// Whether the stream goes on.
    fn take(&mut self, response: WatchResponse) -> bool {
        let mut has_seen = |id: WatchId, revision: i64| {
            if let Some(create) = self.watchers.get_mut(&id) {
                create.start_revision = create.start_revision.max(revision + 1);
            }
        };
        match response {
            WatchResponse::Created { id, revision } => {
                let mut create = self.asked.pop_front().expect("created as often as asked at most");
                // It may be resumed on a stream where its id is in use.
                create.id = None;
                if create.start_revision == 0 {
                    create.start_revision = revision + 1;
                }
                self.watchers.insert(id, create);
            }
            WatchResponse::Rejected { .. } => drop(self.asked.pop_front()),
            // The rest of the revision is missing: it begins there again.
            WatchResponse::Events { id, events, fragment: true, .. } => {
                if let Some(last) = events.last() {
                    has_seen(id, last.kv.mod_revision - 1);
                }
            }
            WatchResponse::Events { id, events, .. } => {
                if let Some(last) = events.last() {
                    has_seen(id, last.kv.mod_revision);
                }
            }
            WatchResponse::Progress { id, revision } => has_seen(id, revision),
            WatchResponse::Canceled { id, .. } => drop(self.watchers.remove(&id)),
            // It goes on where it can: what lies between is lost to this client, and it knows.
            WatchResponse::Compacted { id, compact_revision } => {
                if let Some(create) = self.watchers.get_mut(&id) {
                    create.start_revision = compact_revision;
                    return false;
                }
            }
            WatchResponse::NoLeader => return false,
        }
        true
    }
}

fn draw(client: &mut Client) -> WatchCreate {
    let range = match client.stream.index(8) {
        0 | 1 => everything(),
        2 => prefix(b"k"),
        3 => prefix(b"set/"),
        4 => KeyRange::Span { start: b"l".as_slice().into(), end: b"k".as_slice().into() },
        _ => client.some_keys(),
    };
    let (head, compacted) = (client.event_log.head(), client.event_log.compacted());
    let past = 1 + client.stream.within(0..head.unsigned_abs()).cast_signed();
    let start_revision = match client.stream.index(12) {
        0..5 => 0,
        5 => head + 1 + client.stream.within(0..10).cast_signed(),
        6 => compacted,
        7 => compacted + 1,
        8 => (compacted - 1).max(0),
        9 => -1,
        _ => past,
    };
    let stream = &mut client.stream;
    let mut id = || stream.happens(100_000).then(|| WatchId(stream.within(1..6).cast_signed()));
    WatchCreate {
        id: id(),
        range,
        start_revision,
        progress_notify: stream.happens(300_000),
        no_put: stream.happens(100_000),
        no_delete: stream.happens(100_000),
        prev_kv: stream.happens(400_000),
        fragment: stream.happens(300_000),
    }
}
