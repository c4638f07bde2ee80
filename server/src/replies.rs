//! Which client waits for which answer.
//!
//! Request ids count up and are answered roughly in order, so the waiting clients are kept in a ring buffer that
//! is indexed by the counter: no hash, no search. A request that waits long holds the ring's front; each later request
//! then takes eight bytes until it is answered.

use detcd_engine::effects::{Read, ReadQuery};
use detcd_engine::ids::{MemberId, RequestId};
use detcd_engine::request::{Reply, RequestError, Response};
use detcd_engine::txn;
use std::collections::VecDeque;
use tokio::sync::oneshot;

/// What the main loop sends to the task of a client.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The engine has answered.
    Done(Result<Reply, RequestError>),
    /// A query with the view to read: the client's task evaluates it.
    Read(Box<Read>),
}

/// The waiting clients of one boot of one member.
#[derive(Debug)]
pub(crate) struct Replies {
    member: MemberId,
    boot: u32,
    /// The counter of the ring's front.
    front: u64,
    ring: VecDeque<Option<oneshot::Sender<Answer>>>,
}

impl Replies {
    pub(crate) fn new(member: MemberId, boot: u32) -> Replies {
        Replies { member, boot, front: 1, ring: VecDeque::new() }
    }

    /// A client begins to wait.
    pub(crate) fn expect(&mut self, client: oneshot::Sender<Answer>) -> RequestId {
        let counter = self.front + self.ring.len() as u64;
        self.ring.push_back(Some(client));
        self.id(counter)
    }

    /// Answers a client. One that stopped waiting is passed over.
    pub(crate) fn answer(&mut self, id: RequestId, answer: Answer) {
        assert!((id.member, id.boot) == (self.member, self.boot), "{id} is not a request of this boot");
        if let Some(client) = self.take(id.counter) {
            // An error means that the client left since the last look; the answer is dropped.
            drop(client.send(answer));
        }
    }

    /// Forgets the clients that stopped waiting, and names their requests.
    pub(crate) fn abandoned(&mut self) -> Vec<RequestId> {
        let gone = |client: &Option<oneshot::Sender<Answer>>| {
            client.as_ref().is_some_and(oneshot::Sender::is_closed)
        };
        let places = self.ring.iter().enumerate().filter(|(_, client)| gone(client));
        let counters: Vec<u64> = places.map(|(place, _)| self.front + place as u64).collect();
        for counter in &counters {
            self.take(*counter);
        }
        counters.into_iter().map(|counter| self.id(counter)).collect()
    }

    /// The member stops: everybody is told.
    pub(crate) fn refuse_all(&mut self) {
        for client in self.ring.drain(..).flatten() {
            drop(client.send(Answer::Done(Err(RequestError::Stopped))));
        }
    }

    fn id(&self, counter: u64) -> RequestId {
        RequestId { member: self.member, boot: self.boot, counter }
    }

    fn take(&mut self, counter: u64) -> Option<oneshot::Sender<Answer>> {
        let place = usize::try_from(counter.checked_sub(self.front)?).ok()?;
        let client = self.ring.get_mut(place)?.take();
        while let Some(None) = self.ring.front() {
            self.ring.pop_front();
            self.front += 1;
        }
        client
    }
}

/// Evaluates a read that looks at no more than so many keys; `None` where it looks at more.
pub(crate) fn evaluate_small(read: &Read, mut keys_max: u64) -> Option<Result<Reply, RequestError>> {
    let Read { view, query, term, .. } = read;
    let response = match query {
        ReadQuery::Range(range) => {
            view.small_range(range, &mut keys_max)?.map(Response::Range).map_err(RequestError::from)
        }
        ReadQuery::Txn(txn) => txn::evaluate_small(view, txn, keys_max)?.map(Response::Txn),
        // The engine has evaluated what is small.
        ReadQuery::Rest(_) => return None,
    };
    Some(response.map(|response| Reply { revision: view.revision(), term: *term, response }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member() -> Replies {
        Replies::new(MemberId(7), 3)
    }

    #[test]
    fn each_client_gets_its_own_answer_in_whatever_order() {
        let mut replies = member();
        let (clients, mut waiting): (Vec<_>, Vec<_>) = (0..3).map(|_| oneshot::channel()).unzip();
        let ids: Vec<RequestId> = clients.into_iter().map(|client| replies.expect(client)).collect();
        assert_eq!(ids.iter().map(|id| id.counter).collect::<Vec<_>>(), [1, 2, 3]);
        for (id, error) in
            [(1, RequestError::Timeout), (0, RequestError::NoSpace), (2, RequestError::Corrupt)]
        {
            replies.answer(ids[id], Answer::Done(Err(error)));
            let Ok(Answer::Done(Err(found))) = waiting[id].try_recv() else { panic!("no answer to {id}") };
            assert_eq!(found, error);
        }
        assert_eq!(replies.ring.len(), 0);
        assert_eq!(replies.expect(oneshot::channel().0).counter, 4);
    }

    #[test]
    fn clients_that_left_are_named_once() {
        let mut replies = member();
        let (staying, _kept) = oneshot::channel();
        let (leaving, gone) = oneshot::channel();
        replies.expect(staying);
        let left = replies.expect(leaving);
        drop(gone);
        assert_eq!(replies.abandoned(), [left]);
        assert_eq!(replies.abandoned(), []);
        replies.answer(left, Answer::Done(Err(RequestError::Timeout)));
    }
}
