//! What goes to the other members and comes from them. Labels are members' ids in hexadecimal, as etcd writes them.

use super::{Bounds, Names};
use crate::clock::Stopwatch;
use detcd_engine::ids::MemberId;
use detcd_engine::peer_message::{PeerBody, PeerMessage};
use detcd_engine::raft::RaftMessageKind;
use prometheus::{HistogramVec, IntCounterVec, IntGaugeVec};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

/// A heartbeat without an answer for so long was lost.
const ROUND_TRIP_MAX: Duration = Duration::from_secs(3);

/// Of the way to the other members.
#[derive(Debug)]
pub struct PeerMetrics {
    sent_bytes: IntCounterVec,
    sent_failures: IntCounterVec,
    received_bytes: IntCounterVec,
    received_failures: IntCounterVec,
    active: IntGaugeVec,
    known: IntGaugeVec,
    disconnected: IntCounterVec,
    snapshots_in_flight: IntGaugeVec,
    snapshots_sent: IntCounterVec,
    snapshots_not_sent: IntCounterVec,
    snapshot_send: HistogramVec,
    round_trip: HistogramVec,
    /// Heartbeats that wait for an answer, one for each member.
    heartbeats: Mutex<BTreeMap<MemberId, Stopwatch>>,
}

impl PeerMetrics {
    pub(super) fn new(names: Names<'_>) -> PeerMetrics {
        PeerMetrics {
            sent_bytes: names.counters(
                "etcd_network_peer_sent_bytes_total",
                "Bytes of messages sent to a member.",
                &["To"],
            ),
            sent_failures: names.counters(
                "etcd_network_peer_sent_failures_total",
                "Messages to a member that were given up: it cannot be reached, or takes them too slowly.",
                &["To"],
            ),
            received_bytes: names.counters(
                "etcd_network_peer_received_bytes_total",
                "Bytes of messages received from a member.",
                &["From"],
            ),
            received_failures: names.counters(
                "etcd_network_peer_received_failures_total",
                "Streams of messages from a member that broke.",
                &["From"],
            ),
            active: names.gauges(
                "etcd_network_active_peers",
                "Whether messages can be sent to a member now: 1, or 0.",
                &["Local", "Remote"],
            ),
            known: names.gauges(
                "etcd_network_known_peers",
                "1 for each member that messages are meant for.",
                &["Local", "Remote"],
            ),
            disconnected: names.counters(
                "etcd_network_disconnected_peers_total",
                "Streams of messages to a member that broke.",
                &["Local", "Remote"],
            ),
            snapshots_in_flight: names.gauges(
                "etcd_network_snapshot_send_inflights_total",
                "Snapshots that are being sent to a member.",
                &["To"],
            ),
            snapshots_sent: names.counters(
                "etcd_network_snapshot_send_success",
                "Snapshots that arrived at a member.",
                &["To"],
            ),
            snapshots_not_sent: names.counters(
                "etcd_network_snapshot_send_failures",
                "Snapshots that did not arrive at a member.",
                &["To"],
            ),
            snapshot_send: names.histograms(
                "etcd_network_snapshot_send_total_duration_seconds",
                "How long snapshots took that arrived at a member.",
                &["To"],
                Bounds::doubling(0.1, 10),
            ),
            round_trip: names.histograms(
                "etcd_network_peer_round_trip_time_seconds",
                "From a heartbeat of this member, leading, to the answer that came next from that member.",
                &["To"],
                Bounds::doubling(0.0001, 16),
            ),
            heartbeats: Mutex::default(),
        }
    }

    /// This member itself is one of those it knows, as in etcd.
    pub fn is(&self, local: MemberId) {
        self.known.with_label_values(&[local.to_string(), local.to_string()]).set(1);
    }

    /// Messages to this member are meant to be sent from now on: its figures are there, at zero.
    pub fn knows(&self, local: MemberId, remote: MemberId) {
        let (from, to) = (local.to_string(), remote.to_string());
        self.known.with_label_values(&[&from, &to]).set(1);
        self.active.with_label_values(&[&from, &to]);
        self.disconnected.with_label_values(&[&from, &to]);
        for counters in [&self.sent_bytes, &self.sent_failures] {
            counters.with_label_values(&[&to]);
        }
        for histograms in [&self.round_trip, &self.snapshot_send] {
            histograms.with_label_values(&[&to]);
        }
        self.snapshots_in_flight.with_label_values(&[&to]);
        for counters in [&self.snapshots_sent, &self.snapshots_not_sent] {
            counters.with_label_values(&[&to]);
        }
        for counters in [&self.received_bytes, &self.received_failures] {
            counters.with_label_values(&[&to]);
        }
    }

    /// A stream of messages to a member is open.
    pub fn connected(&self, local: MemberId, remote: MemberId) {
        self.active.with_label_values(&[local.to_string(), remote.to_string()]).set(1);
    }

    /// It broke.
    pub fn disconnected(&self, local: MemberId, remote: MemberId) {
        let labels = [local.to_string(), remote.to_string()];
        self.active.with_label_values(&labels).set(0);
        self.disconnected.with_label_values(&labels).inc();
    }

    /// A message is about to be sent.
    pub(crate) fn sending(&self, message: &PeerMessage) {
        if is_raft(message, RaftMessageKind::Heartbeat) {
            let mut waiting = self.waiting();
            let oldest = waiting.entry(message.to).or_insert_with(Stopwatch::start);
            if oldest.elapsed() > ROUND_TRIP_MAX {
                *oldest = Stopwatch::start();
            }
        }
    }

    /// A message of so many bytes came from a member that this one knows.
    pub(crate) fn received(&self, message: &PeerMessage, bytes: usize) {
        let from = [message.from.to_string()];
        self.received_bytes.with_label_values(&from).inc_by(bytes as u64);
        if is_raft(message, RaftMessageKind::HeartbeatResponse)
            && let Some(sent) = self.waiting().remove(&message.from)
            && sent.elapsed() <= ROUND_TRIP_MAX
        {
            self.round_trip.with_label_values(&from).observe(sent.elapsed().as_secs_f64());
        }
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<MemberId, Stopwatch>> {
        self.heartbeats.lock().expect("no panic while it is held")
    }

    /// A message of so many bytes went to a member.
    pub fn sent(&self, to: &str, bytes: usize) {
        self.sent_bytes.with_label_values(&[to]).inc_by(bytes as u64);
    }

    /// A message to a member was given up.
    pub fn not_sent(&self, to: &str) {
        self.sent_failures.with_label_values(&[to]).inc();
    }

    /// A stream of messages from a member broke.
    pub fn not_received(&self, from: MemberId) {
        self.received_failures.with_label_values(&[from.to_string()]).inc();
    }

    /// A snapshot is on its way to a member.
    pub fn sending_snapshot(&self, to: MemberId) {
        self.snapshots_in_flight.with_label_values(&[to.to_string()]).inc();
    }

    /// It is no longer.
    pub fn sent_snapshot(&self, to: MemberId, has_arrived: bool, took: Duration) {
        let to = [to.to_string()];
        self.snapshots_in_flight.with_label_values(&to).dec();
        if has_arrived {
            self.snapshots_sent.with_label_values(&to).inc();
            self.snapshot_send.with_label_values(&to).observe(took.as_secs_f64());
        } else {
            self.snapshots_not_sent.with_label_values(&to).inc();
        }
    }
}

fn is_raft(message: &PeerMessage, kind: RaftMessageKind) -> bool {
    matches!(&message.body, PeerBody::Raft(raft) if raft.kind == kind)
}
