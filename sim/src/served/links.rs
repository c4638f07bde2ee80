//! The machines of clients, and the network between them and the members.

use super::{ClientCut, Direction, Served};
use crate::clock::simulated_now;
use crate::trace::Trace;
use madsim::net::NetSim;
use madsim::runtime::{Handle, NodeHandle};
use madsim::time::sleep;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// Cheap to clone; all clones are the same.
#[derive(Clone)]
pub(crate) struct Links(Arc<Inner>);

struct Inner {
    served: Served,
    trace: Trace,
    clients: Vec<NodeHandle>,
    /// Of the readers of the event log: they are never cut off.
    readers: NodeHandle,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The machine that a member was started on last.
    members: BTreeMap<usize, NodeHandle>,
    /// Until when, by client and member: to the member, and to the client.
    cuts: BTreeMap<(usize, usize), [Duration; 2]>,
    /// Nothing is cut any more.
    is_whole: bool,
}

impl Links {
    /// A machine for each client, and the network between them as it is to be.
    pub(crate) fn new(served: &Served, clients: usize, trace: &Trace) -> Links {
        NetSim::current().update_config(|config| {
            // Of a range that is not empty.
            config.send_latency = Duration::from_millis(1)..Duration::from_millis(served.delay_ms_max.max(2));
        });
        let machine = |name: String, place: usize| {
            let [high, low] = u16::try_from(place).expect("fewer clients than addresses").to_be_bytes();
            let ip = IpAddr::V4(Ipv4Addr::new(10, 200, high, low));
            Handle::current().create_node().name(name).ip(ip).build()
        };
        let readers = machine("readers".to_owned(), 0);
        let clients = (0..clients).map(|place| machine(format!("client {place}"), place + 1)).collect();
        let (served, trace) = (served.clone(), trace.clone());
        Links(Arc::new(Inner { served, trace, clients, readers, state: Mutex::default() }))
    }

    /// Where a client runs.
    pub(crate) fn client(&self, client: usize) -> &NodeHandle {
        &self.0.clients[client]
    }

    /// The machine of the readers of the event log.
    pub(crate) fn readers(&self) -> &NodeHandle {
        &self.0.readers
    }

    /// A member was started on another machine: what was cut stays cut.
    pub(crate) fn member_moved(&self, member: usize, node: &NodeHandle) {
        self.lock().members.insert(member, node.clone());
        for client in 0..self.0.clients.len() {
            self.apply(client, member);
        }
    }

    /// Makes each cut at its time.
    pub(crate) async fn run(self) {
        let start = simulated_now();
        for cut in self.0.served.cuts.clone() {
            sleep((start + Duration::from_millis(cut.at_ms)).saturating_sub(simulated_now())).await;
            if self.lock().is_whole {
                return;
            }
            if cut.client < self.0.clients.len() {
                self.cut(cut);
            }
        }
    }

    /// Nothing is cut any more.
    pub(crate) fn heal(&self) {
        let cuts = {
            let mut state = self.lock();
            state.is_whole = true;
            std::mem::take(&mut state.cuts)
        };
        for (client, member) in cuts.into_keys() {
            self.apply(client, member);
        }
    }

    fn cut(&self, cut: ClientCut) {
        let ClientCut { client, member, direction, for_ms, .. } = cut;
        self.0.trace.event(
            &format!("client {client}"),
            format_args!("is cut from m{member} ({direction:?}) for {for_ms} ms"),
            &[],
        );
        let until = simulated_now() + Duration::from_millis(for_ms);
        {
            let mut state = self.lock();
            let [there, back] = state.cuts.entry((client, member)).or_default();
            if direction != Direction::Back {
                *there = until.max(*there);
            }
            if direction != Direction::There {
                *back = until.max(*back);
            }
        }
        self.apply(client, member);
        let links = self.clone();
        madsim::task::spawn(async move {
            sleep(Duration::from_millis(for_ms)).await;
            links.apply(client, member);
        });
    }

    /// Cuts or heals the link to a member's present machine.
    fn apply(&self, client: usize, member: usize) {
        let state = self.lock();
        let Some(machine) = state.members.get(&member) else { return };
        let [there, back] = state.cuts.get(&(client, member)).copied().unwrap_or_default();
        let (network, now) = (NetSim::current(), simulated_now());
        let client = self.0.clients[client].id();
        for (from, to, until) in [(client, machine.id(), there), (machine.id(), client, back)] {
            if now < until {
                network.clog_link(from, to);
            } else {
                network.unclog_link(from, to);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().expect("no panic while it is held")
    }
}
