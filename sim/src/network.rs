//! The network between members: every frame is delayed, dropped, doubled or overtaken on its own, and links are cut
//! in either direction. Nothing tells the two ends apart from silence: no connection is closed by a partition.

use crate::random::Stream;
use crate::trace::Trace;
use bytes::Bytes;
use detcd_engine::frame;
use detcd_engine::ids::{ClusterId, MemberId};
use detcd_engine::raft::PeerMessage;
use madsim::runtime::NodeHandle;
use madsim::time::sleep;
use serde::{Deserialize, Serialize};
use server_sim::clock::BoxFuture;
use server_sim::peer::pb::{SnapshotAck, SnapshotChunk};
use server_sim::peer::{PeerInbox, Transport};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::Notify;

/// How long the carrier of frames sleeps where none is under way.
const IDLE: Duration = Duration::from_secs(1);

/// How the network behaves between any two members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkProfile {
    /// One way, usually.
    pub delay_us: u64,
    /// Frames lost, in a million.
    pub drops_per_million: u32,
    /// Frames that arrive twice, in a million; the second one late.
    pub duplicates_per_million: u32,
}

/// All links. Cheap to clone; all clones are the same network.
#[derive(Clone)]
pub struct Network(Arc<Mutex<State>>);

struct State {
    cluster: ClusterId,
    profile: NetworkProfile,
    stream: Stream,
    trace: Trace,
    /// The members by place; a member that is down has no inbox.
    members: BTreeMap<MemberId, Attached>,
    /// From, to: nothing gets through until then.
    cut: BTreeMap<(MemberId, MemberId), Duration>,
    /// Frames under way, by the time they arrive and the order in which they were sent.
    under_way: BTreeMap<(Duration, u64), Packet>,
    /// The next frame arrives sooner than was thought.
    sooner: Arc<Notify>,
    sent: u64,
    delivered: u64,
}

struct Attached {
    name: String,
    boot: u32,
    /// Where what arrives for it runs.
    node: Option<Arc<NodeHandle>>,
    inbox: Option<PeerInbox>,
}

struct Packet {
    from: MemberId,
    to: MemberId,
    frame: Bytes,
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network").finish_non_exhaustive()
    }
}

impl Network {
    /// Between members that are all down.
    pub fn new(
        cluster: ClusterId,
        members: impl IntoIterator<Item = (MemberId, String)>,
        profile: NetworkProfile,
        stream: Stream,
        trace: Trace,
    ) -> Network {
        let down = |name| Attached { name, boot: 0, node: None, inbox: None };
        Network(Arc::new(Mutex::new(State {
            cluster,
            profile,
            stream,
            trace,
            members: members.into_iter().map(|(id, name)| (id, down(name))).collect(),
            cut: BTreeMap::new(),
            under_way: BTreeMap::new(),
            sooner: Arc::new(Notify::new()),
            sent: 0,
            delivered: 0,
        })))
    }

    /// A member boots on this node: its way to the others.
    pub fn boot(&self, member: MemberId, node: Arc<NodeHandle>) -> SimTransport {
        let mut state = self.lock();
        let attached = state.members.get_mut(&member).expect("a member of the cluster");
        attached.boot += 1;
        attached.node = Some(node);
        SimTransport { network: self.clone(), member, boot: attached.boot }
    }

    /// A member is gone: what arrives for it is lost. What it sent before is still under way.
    pub fn down(&self, member: MemberId) {
        let mut state = self.lock();
        let attached = state.members.get_mut(&member).expect("a member of the cluster");
        (attached.node, attached.inbox) = (None, None);
    }

    /// Nothing gets from one to the other until then; the other direction is left as it is.
    pub fn cut(&self, from: MemberId, to: MemberId, until: Duration) {
        let mut state = self.lock();
        let ends = state.cut.entry((from, to)).or_default();
        *ends = until.max(*ends);
    }

    /// All links are whole again.
    pub fn heal(&self) {
        self.lock().cut.clear();
    }

    /// No more loss and no more doubles; delays stay.
    pub fn calm(&self) {
        let mut state = self.lock();
        state.profile.drops_per_million = 0;
        state.profile.duplicates_per_million = 0;
    }

    /// Frames delivered so far.
    pub fn delivered(&self) -> u64 {
        self.lock().delivered
    }

    /// Carries frames. Ends with the run.
    pub async fn carry(self) {
        loop {
            let (next, sooner) = {
                let state = self.lock();
                (state.under_way.keys().next().map(|(arrives, _)| *arrives), Arc::clone(&state.sooner))
            };
            let wait = next.map_or(IDLE, |arrives| arrives.saturating_sub(crate::clock::simulated_now()));
            tokio::select! {
                biased;
                () = sooner.notified() => {}
                () = sleep(wait) => {}
            }
            loop {
                let arrived = self.lock().next_arrived();
                let Some((packet, inbox)) = arrived else { break };
                // The members' frame check is what decides; a refusal is a connection that closes, which is nothing here.
                let _ = inbox.deliver(packet.frame);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no panic while it is held")
    }
}

impl State {
    fn name(&self, member: MemberId) -> &str {
        &self.members[&member].name
    }

    fn is_cut(&self, from: MemberId, to: MemberId) -> bool {
        self.cut.get(&(from, to)).is_some_and(|until| crate::clock::simulated_now() < *until)
    }

    fn send(&mut self, message: &PeerMessage) {
        let (from, to) = (message.from, message.to);
        if !self.members.contains_key(&to) {
            return;
        }
        let frame = Bytes::from(frame::encode(message, self.cluster));
        let NetworkProfile { delay_us, drops_per_million, duplicates_per_million } = self.profile;
        let is_lost = self.stream.happens(drops_per_million) || self.is_cut(from, to);
        let delay = Duration::from_micros(delay_us);
        let what = format_args!("send to {}{}", self.name(to), if is_lost { ", lost" } else { "" });
        self.trace.event(self.name(from), what, &frame);
        if is_lost {
            // A transport learns of some of its losses: the connection breaks.
            if self.stream.happens(100_000)
                && let Some(inbox) = &self.members[&from].inbox
            {
                inbox.unreachable(to);
            }
            return;
        }
        let copies = 1 + u32::from(self.stream.happens(duplicates_per_million));
        for copy in 0..copies {
            let late = if copy == 0 { delay } else { delay * 20 };
            let arrives = crate::clock::simulated_now() + self.stream.delay(late);
            self.sent += 1;
            if self.under_way.keys().next().is_none_or(|(next, _)| arrives < *next) {
                self.sooner.notify_one();
            }
            self.under_way.insert((arrives, self.sent), Packet { from, to, frame: frame.clone() });
        }
    }

    /// The next frame whose time has come and that somebody is there to take.
    fn next_arrived(&mut self) -> Option<(Packet, PeerInbox)> {
        let now = crate::clock::simulated_now();
        while let Some(next) = self.under_way.first_entry() {
            if next.key().0 > now {
                return None;
            }
            let packet = next.remove();
            if self.is_cut(packet.from, packet.to) {
                continue;
            }
            if let Some(inbox) = &self.members[&packet.to].inbox {
                self.delivered += 1;
                let what = format_args!("take from {}", self.name(packet.from));
                self.trace.event(self.name(packet.to), what, &packet.frame);
                return Some((packet, inbox.clone()));
            }
        }
        None
    }

    /// How long a call takes one way; `None` where it is lost.
    fn passage(&mut self, from: MemberId, to: MemberId) -> Option<Duration> {
        let is_lost = self.stream.happens(self.profile.drops_per_million) || self.is_cut(from, to);
        let delay = Duration::from_micros(self.profile.delay_us);
        (!is_lost).then(|| self.stream.delay(delay))
    }
}

/// One boot's way to the other members.
#[derive(Clone, Debug)]
pub struct SimTransport {
    network: Network,
    member: MemberId,
    boot: u32,
}

impl SimTransport {
    /// Whether this boot is the one that is up.
    fn is_current(&self, state: &State) -> bool {
        state.members[&self.member].boot == self.boot && state.members[&self.member].node.is_some()
    }
}

impl Transport for SimTransport {
    fn attach(&self, inbox: PeerInbox, _peers: Vec<(MemberId, Vec<String>)>) {
        let mut state = self.network.lock();
        if self.is_current(&state) {
            state.members.get_mut(&self.member).expect("a member of the cluster").inbox = Some(inbox);
        }
    }

    fn send(&self, message: PeerMessage) {
        let mut state = self.network.lock();
        if self.is_current(&state) {
            state.send(&message);
        }
    }

    fn send_chunk(&self, to: MemberId, chunk: SnapshotChunk) -> BoxFuture<'static, Option<SnapshotAck>> {
        let (network, me) = (self.network.clone(), self.member);
        Box::pin(async move {
            let (there, back) = {
                let mut state = network.lock();
                let what = format_args!("send to {} a piece at {}", state.name(to), chunk.offset);
                state.trace.event(state.name(me), what, &chunk.piece);
                (state.passage(me, to), state.passage(to, me))
            };
            sleep(there?).await;
            let (node, inbox) = {
                let state = network.lock();
                let other = state.members.get(&to)?;
                (other.node.clone()?, other.inbox.clone()?)
            };
            // On the receiver's node: it goes on without us, and ends with the receiver.
            let ack = node.spawn(async move { inbox.deliver_chunk(chunk).await }).await.ok()?;
            sleep(back?).await;
            Some(ack)
        })
    }

    fn detach(&self) {
        let mut state = self.network.lock();
        if self.is_current(&state) {
            state.members.get_mut(&self.member).expect("a member of the cluster").inbox = None;
        }
    }
}
