//! Calls into the main loop of a simulated member, with a delay of a few milliseconds. Watch events are encoded as for
//! gRPC, and are decoded here.

use super::{ClientTransport, Loss, WatchFeed};
use crate::cluster::Cluster;
use crate::random::Stream;
use crate::watch_response::{WatchEvent, WatchResponse};
use detcd_engine::request::{Reply, Request};
use detcd_engine::watch::WatchInput;
use madsim::time::sleep;
use server_sim::clock::BoxFuture;
use server_sim::encoded_events::EncodedEvents;
use server_sim::handle::WatchStream;
use server_sim::wire::Event;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Calls into the main loops of the members.
#[derive(Clone)]
pub struct InProcess {
    cluster: Cluster,
    /// Draws delays.
    stream: Arc<Mutex<Stream>>,
}

impl InProcess {
    /// To these members. `stream` draws how long a message takes.
    pub fn new(cluster: Cluster, stream: Stream) -> InProcess {
        InProcess { cluster, stream: Arc::new(Mutex::new(stream)) }
    }

    fn delay(&self) -> Duration {
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
        let (there, back, cluster) = (self.delay(), self.delay(), self.cluster.clone());
        Box::pin(async move {
            sleep(there).await;
            let Some(handle) = cluster.handle(member) else { return Err(Loss::NotDone) };
            let answer = handle.request(request, require_leader).await;
            sleep(back).await;
            answer.map_err(Loss::of)
        })
    }

    fn watch(&self, member: usize, require_leader: bool) -> BoxFuture<'static, Option<Box<dyn WatchFeed>>> {
        let (delay, cluster) = (self.delay(), self.cluster.clone());
        Box::pin(async move {
            sleep(delay).await;
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

    fn next(&mut self) -> BoxFuture<'_, Option<WatchResponse>> {
        Box::pin(async move { Some(self.0.recv().await?.map_events(|events| decoded(&events))) })
    }
}

fn decoded(events: &EncodedEvents) -> Vec<WatchEvent> {
    events.bodies().iter().map(|body| WatchEvent::of(&Event::of_encoded(body.clone()))).collect()
}
