//! `server_sim::peer::Transport` over the simulated network.

use super::{Network, State};
use detcd_engine::ids::MemberId;
use detcd_engine::peer_message::PeerMessage;
use madsim::time::sleep;
use server_sim::clock::BoxFuture;
use server_sim::peer::pb::{SnapshotAck, SnapshotChunk};
use server_sim::peer::{PeerInbox, Transport};

/// The transport of one boot to the other members.
#[derive(Clone, Debug)]
pub struct SimTransport {
    network: Network,
    member: MemberId,
    boot: u32,
}

impl SimTransport {
    pub(super) fn new(network: Network, member: MemberId, boot: u32) -> SimTransport {
        SimTransport { network, member, boot }
    }

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
        // A task of its own: a piece whose sender has given up waiting still arrives.
        let carried = madsim::task::spawn(carry_chunk(self.network.clone(), self.member, to, chunk));
        Box::pin(async move { carried.await.ok()? })
    }

    fn detach(&self) {
        let mut state = self.network.lock();
        if self.is_current(&state) {
            state.members.get_mut(&self.member).expect("a member of the cluster").inbox = None;
        }
    }
}

async fn carry_chunk(
    network: Network,
    me: MemberId,
    to: MemberId,
    mut chunk: SnapshotChunk,
) -> Option<SnapshotAck> {
    let there = {
        let mut state = network.lock();
        let words = format_args!("piece at {} of a snapshot", chunk.offset);
        state.trace.sent(state.name(me), state.name(to), &words, &chunk.piece);
        let bytes = chunk.announcement.len() + chunk.piece.len();
        let there = state.piece_takes(me, to, bytes)?;
        chunk.piece = state.piece_arrives(chunk.piece);
        there
    };
    sleep(there).await;
    let (node, inbox) = {
        let state = network.lock();
        if state.misses_imposter(to, &chunk.announcement) {
            return None;
        }
        let other = state.members.get(&to)?;
        let (node, inbox) = (other.node.clone()?, other.inbox.clone()?);
        let words = format_args!("piece at {} of a snapshot", chunk.offset);
        state.trace.received(&other.name, state.name(me), &words, &chunk.piece);
        (node, inbox)
    };
    // On the receiver's node: it does not end with the sender, but with the receiver.
    let ack = node.spawn(async move { inbox.deliver_chunk(chunk).await }).await.ok()?;
    let back = network.lock().piece_takes(to, me, 16)?;
    sleep(back).await;
    Some(ack)
}
