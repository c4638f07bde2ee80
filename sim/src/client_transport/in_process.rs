//! Straight into the main loop of a simulated member, a few milliseconds away. Watch events come encoded as they are
//! for gRPC, and are decoded here.

use super::{ClientTransport, Loss, WatchFeed};
use crate::cluster::Cluster;
use crate::random::Stream;
use crate::watch_response::{News, WatchEvent};
use detcd_engine::input::WatchInput;
use detcd_engine::request::{Reply, Request};
use madsim::time::sleep;
use server_sim::clock::BoxFuture;
use server_sim::handle::{WatchMessage, WatchStream};
use server_sim::wire::Event;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The way to the members of a cluster of this process.
#[derive(Clone)]
pub struct InProcess {
    cluster: Cluster,
    /// How long the way is.
    stream: Arc<Mutex<Stream>>,
}

impl InProcess {
    /// To these members. `stream` draws how long a message takes.
    pub fn new(cluster: Cluster, stream: Stream) -> InProcess {
        InProcess { cluster, stream: Arc::new(Mutex::new(stream)) }
    }

    fn way(&self) -> Duration {
        Duration::from_millis(self.stream.lock().expect("no panic while it is held").within(1..4))
    }
}

impl ClientTransport for InProcess {
    fn members(&self) -> usize {
        self.cluster.size()
    }

    fn ask(
        &self,
        member: usize,
        request: Request,
        require_leader: bool,
    ) -> BoxFuture<'static, Result<Reply, Loss>> {
        let (there, back, cluster) = (self.way(), self.way(), self.cluster.clone());
        Box::pin(async move {
            sleep(there).await;
            let Some(handle) = cluster.handle(member) else { return Err(Loss::NotDone) };
            let answer = handle.request(request, require_leader).await;
            sleep(back).await;
            answer.map_err(Loss::of)
        })
    }

    fn watch(&self, member: usize, require_leader: bool) -> BoxFuture<'static, Option<Box<dyn WatchFeed>>> {
        let (way, cluster) = (self.way(), self.cluster.clone());
        Box::pin(async move {
            sleep(way).await;
            let stream = cluster.handle(member)?.open_watch(require_leader);
            Some(Box::new(Feed(stream)) as Box<dyn WatchFeed>)
        })
    }
}

struct Feed(WatchStream);

impl WatchFeed for Feed {
    fn send(&mut self, ask: WatchInput) {
        self.0.send(ask);
    }

    fn next(&mut self) -> BoxFuture<'_, Option<News>> {
        Box::pin(async move { Some(news(self.0.recv().await?)) })
    }
}

fn news(message: WatchMessage) -> News {
    match message {
        WatchMessage::Created { id, revision } => News::Created { id, revision },
        WatchMessage::Rejected { revision, reason } => News::Rejected { revision, reason: reason.to_owned() },
        WatchMessage::Events { id, revision, events, first, end, fragment } => {
            let events =
                events[first..end].iter().map(|body| WatchEvent::of(&Event::of_encoded(body.clone())));
            News::Events { id, revision, events: events.collect(), fragment }
        }
        WatchMessage::Progress { id, revision } => News::Progress { id, revision },
        WatchMessage::Canceled { id, .. } => News::Canceled { id },
        WatchMessage::Compacted { id, compact_revision } => News::Compacted { id, compact_revision },
        WatchMessage::NoLeader => News::NoLeader,
    }
}
