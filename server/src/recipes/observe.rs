//! What an election's leaders proclaim, as it happens.
//!
//! The leader's key is followed until it is deleted; then whoever leads now is looked for. A leader that came and went
//! in between is not told of, as in etcd.

use super::queue::Queue;
use super::{Refusal, ask, refused};
use crate::handle::{MemberHandle, WatchStream};
use crate::wire::{DecodedEvent, Event, KeyValue};
use bytes::Bytes;
use detcd_engine::key_range::KeyRange;
use detcd_engine::request::{Reply, RequestError};
use detcd_engine::watch::{WatchCreate, WatchInput, WatchResponse};
use std::collections::VecDeque;

/// `DecodedEvent::kind` of a delete.
const DELETE: i32 = 1;

/// An election that is observed.
#[derive(Debug)]
pub struct Observer {
    member: MemberHandle,
    queue: Queue,
    require_leader: bool,
    /// `None` while it is not known who leads.
    followed: Option<Followed>,
}

/// A leader's key, or the whole queue while nobody is in it.
#[derive(Debug)]
struct Followed {
    watch: WatchStream,
    /// Taken from the watch, and not yet told.
    events: VecDeque<Reply<DecodedEvent>>,
}

impl Observer {
    /// Begins with whoever leads. `require_leader` ends it when this member has known no leader of the cluster for long.
    pub fn new(member: MemberHandle, name: &[u8], require_leader: bool) -> Observer {
        Observer { member, queue: Queue::of(name), require_leader, followed: None }
    }

    /// The next value of a leader.
    ///
    /// # Errors
    /// A request was refused, the member stops, or there is no leader of the cluster.
    pub async fn next(&mut self) -> Result<Reply<KeyValue>, Refusal> {
        loop {
            let Some(followed) = &mut self.followed else {
                if let Some(found) = self.look().await? {
                    return Ok(found);
                }
                continue;
            };
            match followed.next(&self.member).await? {
                Some(Reply { revision, term, response: DecodedEvent { kind, kv: Some(kv), .. } })
                    if kind != DELETE =>
                {
                    return Ok(Reply { revision, term, response: kv });
                }
                _ => self.followed = None,
            }
        }
    }

    /// Looks who leads; where nobody does, waits for the first who comes. Follows them from there on. `None` where
    /// history was compacted meanwhile.
    async fn look(&mut self) -> Result<Option<Reply<KeyValue>>, Refusal> {
        let Reply { revision, term, response } = ask(&self.member, self.queue.first()).await?;
        let found = match response.kvs.into_iter().next() {
            Some(record) => Reply { revision, term, response: KeyValue::of(record) },
            None => {
                let mut nobody = self.follow(self.queue.range(), revision + 1);
                // A put: nothing is there to be deleted.
                let Some(event) = nobody.next(&self.member).await? else { return Ok(None) };
                let kv = event.response.kv.expect("an event has a key");
                // What follows in the same batch is found again, from this revision on.
                Reply { revision: kv.mod_revision(), term: event.term, response: kv }
            }
        };
        let key = KeyRange::One(Bytes::copy_from_slice(found.response.key()));
        self.followed = Some(self.follow(key, found.revision + 1));
        Ok(Some(found))
    }

    fn follow(&self, range: KeyRange, start_revision: i64) -> Followed {
        let watch = self.member.open_watch(self.require_leader);
        watch.send(WatchInput::Create(WatchCreate {
            id: None,
            range,
            start_revision,
            progress_notify: false,
            no_put: false,
            no_delete: false,
            prev_kv: false,
            fragment: false,
        }));
        Followed { watch, events: VecDeque::new() }
    }
}

impl Followed {
    /// The next event; `None` where it is compacted away.
    async fn next(&mut self, member: &MemberHandle) -> Result<Option<Reply<DecodedEvent>>, RequestError> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            match self.watch.recv().await {
                Some(WatchResponse::Events { revision, events, .. }) => {
                    let term = member.status().term;
                    let decoded =
                        events.bodies().iter().map(|body| Event::of_encoded(body.clone()).decoded());
                    self.events.extend(decoded.map(|response| Reply { revision, term, response }));
                }
                Some(WatchResponse::Compacted { .. }) => return Ok(None),
                Some(WatchResponse::NoLeader) => return Err(RequestError::NoLeader),
                Some(WatchResponse::Rejected { reason, .. }) => return Err(refused(reason)),
                Some(_) => {}
                None => return Err(RequestError::Stopped),
            }
        }
    }
}
