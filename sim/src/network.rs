//! The network between members: every frame is delayed, lost, duplicated, corrupted or reordered on its own, and links
//! are cut or clogged in either direction. Both ends of such a link notice nothing but silence: no connection is closed
//! by a partition.
//!
//! A receiver must refuse a frame that was corrupted, misrouted or sent by another cluster, and must accept any other
//! frame. Both are checked here, for every frame.

mod delay;
mod delivery;
mod link;
mod profile;
mod transport;

pub use delay::{Delay, Shape};
pub use link::Link;
pub use profile::{DeliveryProfile, FrameKind, NetworkProfile, Order, SlowLink};
pub use transport::SimTransport;

use crate::check::Promise;
use crate::random::Stream;
use crate::trace::Trace;
use bytes::Bytes;
use detcd_engine::ids::{ClusterId, MemberId};
use madsim::runtime::NodeHandle;
use madsim::time::sleep;
use server_sim::peer::PeerInbox;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::Notify;

/// How long `deliver_all` sleeps where no frame is in flight.
const IDLE: Duration = Duration::from_secs(1);

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
    links: BTreeMap<(MemberId, MemberId), LinkState>,
    /// Frames in flight, by arrival time and order.
    in_flight: BTreeMap<(Duration, i64), Packet>,
    /// Wakes `deliver_all`: a frame arrives earlier than all others.
    earlier: Arc<Notify>,
    sent: i64,
    counts: FrameCounts,
    /// Members in whose place an imposter was started.
    imposters: BTreeSet<MemberId>,
}

struct Attached {
    name: String,
    boot: u32,
    /// The node on which arriving frames are handled.
    node: Option<Arc<NodeHandle>>,
    inbox: Option<PeerInbox>,
}

/// One direction between two members.
#[derive(Clone, Debug)]
struct LinkState {
    /// Everything takes so many times as long.
    slowness: u32,
    /// Nothing gets through until then.
    cut_until: Duration,
    /// What arrives before that arrives then.
    clogged_until: Duration,
    /// Of a kind, so many in a million are lost until then.
    losses: Vec<(FrameKind, u32, Duration)>,
    /// When all that was sent will have been transmitted.
    busy_until: Duration,
    /// When the last frame arrives.
    last_arrives: Duration,
    /// The last answer to a heartbeat that confirms reads.
    last_answer: Option<Bytes>,
}

struct Packet {
    from: MemberId,
    /// The member at which it arrives; not always its addressee.
    to: MemberId,
    frame: Bytes,
    /// What is wrong with it, if anything.
    corruption: Option<Corruption>,
    /// Until then it waits in the queue of its link.
    leaves: Duration,
}

/// Why a receiver must refuse it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Corruption {
    Corrupt,
    CrossWired,
    Foreign,
}

/// What became of frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameCounts {
    /// Delivered to a member that accepted them.
    pub delivered: u64,
    /// Lost by a link.
    pub lost: u64,
    /// Lost because the queue of a link was full.
    pub overflowed: u64,
    /// Corrupted, misrouted or of another cluster, and refused by the receiver.
    pub refused: u64,
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
        let members: BTreeMap<_, _> = members.into_iter().map(|(id, name)| (id, down(name))).collect();
        let links = links(&members.keys().copied().collect::<Vec<_>>(), &profile);
        Network(Arc::new(Mutex::new(State {
            cluster,
            profile,
            stream,
            trace,
            members,
            links,
            in_flight: BTreeMap::new(),
            earlier: Arc::new(Notify::new()),
            sent: 0,
            counts: FrameCounts::default(),
            imposters: BTreeSet::new(),
        })))
    }

    /// A member boots on this node: its transport to the others.
    pub fn boot(&self, member: MemberId, node: Arc<NodeHandle>) -> SimTransport {
        let mut state = self.lock();
        let attached = state.members.get_mut(&member).expect("a member of the cluster");
        attached.boot += 1;
        attached.node = Some(node);
        let boot = attached.boot;
        if boot > 1 {
            state.half_open(member);
        }
        drop(state);
        SimTransport::new(self.clone(), member, boot)
    }

    /// A member is down: what arrives for it is lost. What it sent before is still in flight.
    pub fn down(&self, member: MemberId) {
        let mut state = self.lock();
        let attached = state.members.get_mut(&member).expect("a member of the cluster");
        (attached.node, attached.inbox) = (None, None);
    }

    /// A member's machine loses power: the queues of its links are lost. A link of 20 bytes a millisecond would
    /// otherwise deliver frames of a crashed leader for a minute.
    pub fn loses_power(&self, member: MemberId) {
        let mut state = self.lock();
        let now = crate::clock::simulated_now();
        let before = state.in_flight.len();
        state.in_flight.retain(|_, packet| packet.from != member || packet.leaves <= now);
        state.counts.lost += (before - state.in_flight.len()) as u64;
        for (_, link) in state.links.iter_mut().filter(|((from, _), _)| *from == member) {
            link.busy_until = link.busy_until.min(now);
        }
    }

    /// Nothing gets from one to the other until then; the other direction is left as it is.
    pub fn cut(&self, from: MemberId, to: MemberId, until: Duration) {
        self.link(from, to, |link| link.cut_until = link.cut_until.max(until));
    }

    /// What gets from one to the other before that arrives then.
    pub fn clog(&self, from: MemberId, to: MemberId, until: Duration) {
        self.link(from, to, |link| link.clogged_until = link.clogged_until.max(until));
    }

    /// Of a kind, so many in a million are lost until then.
    pub fn lose(&self, from: MemberId, to: MemberId, kind: FrameKind, per_million: u32, until: Duration) {
        self.link(from, to, |link| link.losses.push((kind, per_million, until)));
    }

    /// The last answer to a heartbeat that confirms reads which was sent from one to the other, if any, arrives again
    /// each so often until then.
    pub fn repeat_answer(&self, from: MemberId, to: MemberId, each: Duration, until: Duration) {
        self.lock().repeat_answer(from, to, each, until);
    }

    fn link(&self, from: MemberId, to: MemberId, change: impl FnOnce(&mut LinkState)) {
        if let Some(link) = self.lock().links.get_mut(&(from, to)) {
            change(link);
        }
    }

    /// Ends all cuts, clogs and losses of the plan; the network profile stays.
    pub fn heal(&self) {
        for link in self.lock().links.values_mut() {
            (link.cut_until, link.clogged_until) = (Duration::ZERO, Duration::ZERO);
            link.losses.clear();
        }
    }

    /// The network profile becomes a calm one. Frames in flight arrive as they would have.
    pub fn calm(&self) {
        let mut state = self.lock();
        state.profile = state.profile.calm();
        for link in state.links.values_mut() {
            (link.slowness, link.busy_until, link.last_arrives) = (1, Duration::ZERO, Duration::ZERO);
        }
    }

    /// Frames delivered so far.
    pub fn delivered(&self) -> u64 {
        self.lock().counts.delivered
    }

    /// An imposter starts in this member's place. Frames without an incarnation, which others sent before they knew it,
    /// are not delivered to it: connections end with their machine.
    pub fn imposter_starts(&self, member: MemberId) {
        self.lock().imposters.insert(member);
    }

    /// The inbox of a member and the node on which it runs; `None` while the member is down.
    pub(crate) fn inbox(&self, member: MemberId) -> Option<(Arc<NodeHandle>, PeerInbox)> {
        let state = self.lock();
        let attached = state.members.get(&member)?;
        Some((attached.node.clone()?, attached.inbox.clone()?))
    }

    /// What became of frames so far.
    pub fn counts(&self) -> FrameCounts {
        self.lock().counts
    }

    /// Delivers frames when they arrive. Ends with the run.
    pub async fn deliver_all(self) {
        loop {
            let (next, earlier) = {
                let state = self.lock();
                (state.in_flight.keys().next().map(|(arrives, _)| *arrives), Arc::clone(&state.earlier))
            };
            let wait = next.map_or(IDLE, |arrives| arrives.saturating_sub(crate::clock::simulated_now()));
            tokio::select! {
                biased;
                () = earlier.notified() => {}
                () = sleep(wait) => {}
            }
            loop {
                let arrived = self.lock().next_arrived();
                let Some((packet, inbox)) = arrived else { break };
                self.deliver(packet, &inbox);
            }
        }
    }

    fn deliver(&self, packet: Packet, inbox: &PeerInbox) {
        let Packet { from, to, frame, corruption, leaves: _ } = packet;
        let refused = inbox.deliver(frame).err();
        let mut state = self.lock();
        match (corruption, refused) {
            (None, None) => state.counts.delivered += 1,
            (Some(_), Some(_)) => {
                state.counts.refused += 1;
                state.close(from, to);
            }
            (None, Some(reason)) => {
                let (from, to) = (state.name(from).to_owned(), state.name(to).to_owned());
                drop(state);
                let how = format!("{to} refused one of {from}: {reason}");
                panic!("{}", Promise::FramesAccepted.broken(how));
            }
            (Some(corruption), None) => {
                let (from, to) = (state.name(from).to_owned(), state.name(to).to_owned());
                drop(state);
                let how = format!("{to} took one of {from}: {corruption:?}");
                panic!("{}", Promise::FaultsRefused.broken(how));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no panic while it is held")
    }
}

fn links(ids: &[MemberId], profile: &NetworkProfile) -> BTreeMap<(MemberId, MemberId), LinkState> {
    let whole = LinkState {
        slowness: 1,
        cut_until: Duration::ZERO,
        clogged_until: Duration::ZERO,
        losses: Vec::new(),
        busy_until: Duration::ZERO,
        last_arrives: Duration::ZERO,
        last_answer: None,
    };
    let mut links: BTreeMap<_, _> =
        Link::all(ids.len()).map(|link| ((ids[link.from], ids[link.to]), whole.clone())).collect();
    for SlowLink { link, times } in &profile.slow_links {
        // A case whose members were taken away may still name their links.
        if let (Some(from), Some(to)) = (ids.get(link.from), ids.get(link.to)) {
            links.get_mut(&(*from, *to)).expect("a link between two").slowness = *times;
        }
    }
    links
}
