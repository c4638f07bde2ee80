//! The delivery of frames: each is lost, or in flight until some time, perhaps twice, perhaps with other bytes.

use super::{Corruption, DeliveryProfile, LinkState, Order, Packet, State};
use crate::clock::simulated_now;
use crate::network::FrameKind;
use crate::random::Stream;
use crate::timeline::words::FrameWords;
use bytes::Bytes;
use detcd_engine::frame;
use detcd_engine::ids::{ClusterId, MemberId};
use detcd_engine::peer_message::{PeerBody, PeerMessage};
use detcd_engine::raft::RaftMessageKind;
use server_sim::peer::PeerInbox;
use std::time::Duration;

impl State {
    pub(super) fn name(&self, member: MemberId) -> &str {
        &self.members[&member].name
    }

    pub(super) fn send(&mut self, message: &PeerMessage) {
        let (from, to) = (message.from, message.to);
        if !self.members.contains_key(&to) {
            return;
        }
        let frame = Bytes::from(frame::encode(message, self.cluster));
        let kind = FrameKind::of(&message.body);
        let now = simulated_now();
        let delivery = self.profile.delivery(kind);
        let is_lost = self.is_lost(from, to, kind, delivery);
        let waits = if is_lost { None } else { self.waits(from, to, frame.len()) };
        let fate = match (is_lost, waits) {
            (true, _) => ", lost",
            (false, None) => ", no room",
            _ => "",
        };
        let words = FrameWords { frame: &frame, cluster: self.cluster, to };
        self.trace.sent(self.name(from), self.name(to), &format_args!("{words}{fate}"), &frame);
        let Some(waits) = waits else {
            self.counts.lost += u64::from(is_lost);
            self.counts.overflowed += u64::from(!is_lost);
            self.report_loss(from, to);
            return;
        };
        if is_answer_for_reads(&message.body) {
            let link = self.links.get_mut(&(from, to)).expect("a link between two");
            link.last_answer = Some(frame.clone());
        }
        let (frame, to, corruption) = self.corruption(message, frame);
        let slowness = self.links[&(from, message.to)].slowness;
        let leaves = now + waits;
        let first = leaves + delivery.delay.draw(&mut self.stream) * slowness;
        if self.stream.happens(delivery.duplicates_per_million) {
            let second = first + delivery.duplicate_delay.draw(&mut self.stream);
            self.send_over(second, message.to, Packet { from, to, frame: frame.clone(), corruption, leaves });
        }
        self.send_over(first, message.to, Packet { from, to, frame, corruption, leaves });
    }

    pub(super) fn repeat_answer(&mut self, from: MemberId, to: MemberId, each: Duration, until: Duration) {
        let Some(frame) = self.links[&(from, to)].last_answer.clone() else { return };
        let now = simulated_now();
        let mut arrives = now + each;
        while arrives < until {
            self.sent += 1;
            let packet = Packet { from, to, frame: frame.clone(), corruption: None, leaves: now };
            self.insert(arrives, self.sent, packet);
            arrives += each;
        }
    }

    fn is_lost(&mut self, from: MemberId, to: MemberId, kind: FrameKind, delivery: DeliveryProfile) -> bool {
        let now = simulated_now();
        let link = &self.links[&(from, to)];
        let extra = link.losses.iter().filter(|(lost, _, until)| *lost == kind && now < *until);
        let extra = extra.map(|(_, per_million, _)| *per_million).max().unwrap_or(0);
        let is_cut = now < link.cut_until;
        // Both are drawn in any case, so that later draws do not depend on the result.
        let (usual, extra) = (self.stream.happens(delivery.drops_per_million), self.stream.happens(extra));
        is_cut || usual || extra
    }

    /// How long a frame waits in the queue of its link; `None` where the queue is full.
    fn waits(&mut self, from: MemberId, to: MemberId, bytes: usize) -> Option<Duration> {
        let (bytes_per_ms, queue_bytes) = (self.profile.bytes_per_ms, self.profile.queue_bytes);
        if bytes_per_ms == 0 {
            return Some(Duration::ZERO);
        }
        let now = simulated_now();
        let link = self.links.get_mut(&(from, to)).expect("a link between two");
        let waits = link.busy_until.saturating_sub(now);
        // An empty queue takes a frame of any size.
        if waits > Duration::from_micros(queue_bytes * 1000 / bytes_per_ms) {
            return None;
        }
        let takes = Duration::from_micros(bytes as u64 * 1000 / bytes_per_ms);
        link.busy_until = now + waits + takes;
        Some(waits + takes)
    }

    /// Which bytes arrive, where, and what is wrong with them.
    fn corruption(&mut self, message: &PeerMessage, frame: Bytes) -> (Bytes, MemberId, Option<Corruption>) {
        let to = message.to;
        if self.stream.happens(self.profile.corrupts_per_million) {
            return (corrupt(&frame, &mut self.stream), to, Some(Corruption::Corrupt));
        }
        if self.stream.happens(self.profile.foreign_per_million) {
            let frame = frame::encode(message, ClusterId(self.cluster.0 ^ 1));
            return (frame.into(), to, Some(Corruption::Foreign));
        }
        if self.stream.happens(self.profile.cross_wires_per_million) {
            let others: Vec<MemberId> =
                self.members.keys().copied().filter(|other| *other != to && *other != message.from).collect();
            if !others.is_empty() {
                return (frame, self.stream.pick(&others), Some(Corruption::CrossWired));
            }
        }
        (frame, to, None)
    }

    /// Sends a frame over the link to `by`. It may arrive at another member.
    fn send_over(&mut self, arrives: Duration, by: MemberId, packet: Packet) {
        let link: &mut LinkState = self.links.get_mut(&(packet.from, by)).expect("a link between two");
        self.sent += 1;
        let (arrives, order) = match self.profile.order {
            Order::Free => (arrives, self.sent),
            Order::Fifo => (arrives.max(link.last_arrives), self.sent),
            Order::LastFirst { window_us } => {
                let window = Duration::from_micros(window_us.max(1)).as_nanos();
                let windows = u64::try_from(arrives.as_nanos().div_ceil(window)).expect("a run is short");
                (Duration::from_micros(window_us.max(1) * windows), -self.sent)
            }
        };
        link.last_arrives = arrives;
        self.insert(arrives, order, packet);
    }

    fn insert(&mut self, arrives: Duration, order: i64, packet: Packet) {
        if self.in_flight.keys().next().is_none_or(|(next, _)| arrives < *next) {
            self.earlier.notify_one();
        }
        self.in_flight.insert((arrives, order), packet);
    }

    /// The next frame that has arrived and whose receiver is up.
    pub(super) fn next_arrived(&mut self) -> Option<(Packet, PeerInbox)> {
        let now = simulated_now();
        while let Some(next) = self.in_flight.first_entry() {
            let (arrives, order) = *next.key();
            if arrives > now {
                return None;
            }
            let packet = next.remove();
            let link = &self.links[&(packet.from, packet.to)];
            if now < link.clogged_until {
                let until = link.clogged_until;
                self.insert(until, order, packet);
                continue;
            }
            if now < link.cut_until || self.misses_imposter(packet.to, &packet.frame) {
                self.counts.lost += 1;
                continue;
            }
            if let Some(inbox) = self.members[&packet.to].inbox.clone() {
                let corruption =
                    packet.corruption.map_or(String::new(), |corruption| format!(", {corruption:?}"));
                let words = FrameWords { frame: &packet.frame, cluster: self.cluster, to: packet.to };
                let (from, to) = (self.name(packet.from), self.name(packet.to));
                self.trace.received(to, from, &format_args!("{words}{corruption}"), &packet.frame);
                return Some((packet, inbox));
            }
        }
        None
    }

    /// Whether a frame has no incarnation, and an imposter was started in its addressee's place.
    pub(super) fn misses_imposter(&self, to: MemberId, frame: &Bytes) -> bool {
        self.imposters.contains(&to)
            && frame::decode(frame.clone(), self.cluster, to)
                .is_ok_and(|message| message.to_incarnation.is_none())
    }

    /// A receiver refused a frame: its connection closes, and all frames in flight on it are lost.
    pub(super) fn close(&mut self, from: MemberId, to: MemberId) {
        let before = self.in_flight.len();
        self.in_flight.retain(|_, packet| (packet.from, packet.to) != (from, to));
        self.counts.lost += (before - self.in_flight.len()) as u64;
        if let Some(inbox) = &self.members[&from].inbox {
            inbox.unreachable(to);
        }
    }

    fn report_loss(&mut self, from: MemberId, to: MemberId) {
        if self.stream.happens(self.profile.reported_losses_per_million)
            && let Some(inbox) = &self.members[&from].inbox
        {
            inbox.unreachable(to);
        }
    }

    /// A member has started again: others may not have noticed that its connections are dead.
    pub(super) fn half_open(&mut self, member: MemberId) {
        let now = simulated_now();
        let others: Vec<MemberId> = self.members.keys().copied().filter(|other| *other != member).collect();
        for other in others {
            if self.stream.happens(self.profile.half_open_per_million) {
                let for_ms = self.stream.within(0..self.profile.half_open_ms_max + 1);
                let link = self.links.get_mut(&(other, member)).expect("a link between two");
                link.cut_until = link.cut_until.max(now + Duration::from_millis(for_ms));
            }
        }
    }

    /// How long a piece of a snapshot, or its answer, takes one way; `None` where it is lost.
    pub(super) fn piece_takes(&mut self, from: MemberId, to: MemberId, bytes: usize) -> Option<Duration> {
        let delivery = self.profile.delivery(FrameKind::Piece);
        if self.is_lost(from, to, FrameKind::Piece, delivery) {
            self.counts.lost += 1;
            return None;
        }
        let waits = self.waits(from, to, bytes)?;
        let link = &self.links[&(from, to)];
        let clogged = link.clogged_until.saturating_sub(simulated_now());
        Some(clogged + waits + delivery.delay.draw(&mut self.stream) * link.slowness)
    }

    /// The bytes of a piece as they arrive: their number does not change, as the transport checks it.
    pub(super) fn piece_arrives(&mut self, piece: Bytes) -> Bytes {
        if !piece.is_empty() && self.stream.happens(self.profile.corrupts_per_million) {
            return flip(&piece, &mut self.stream);
        }
        piece
    }
}

fn is_answer_for_reads(body: &PeerBody) -> bool {
    matches!(body, PeerBody::Raft(message)
        if message.kind == RaftMessageKind::HeartbeatResponse && !message.context.is_empty())
}

/// Other bytes: one bit is flipped, or the end is missing.
fn corrupt(frame: &Bytes, stream: &mut Stream) -> Bytes {
    if stream.happens(300_000) {
        return frame.slice(..stream.index(frame.len()));
    }
    flip(frame, stream)
}

fn flip(bytes: &Bytes, stream: &mut Stream) -> Bytes {
    let mut bytes = bytes.to_vec();
    let at = stream.index(bytes.len());
    bytes[at] ^= 1 << stream.index(8);
    bytes.into()
}
