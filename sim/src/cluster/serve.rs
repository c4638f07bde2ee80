//! A member's gRPC, from the moment that it is ready to the end of its last calls; as `server/src/process/run.rs` has
//! it, which is not part of the simulation.

use super::Cluster;
use crate::served::{Links, serve};
use detcd_engine::ids::ClusterId;
use madsim::runtime::{Handle, NodeHandle};
use madsim::time::sleep;
use server_sim::grpc::{Limits, service};
use server_sim::handle::MemberHandle;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

const PORT: u16 = 2379;
/// etcd's default.
const TXN_OPS_MAX: usize = 128;
/// Once a member has stopped, so many checks later no call of its is left unanswered. Checks rather than time: a paused
/// machine answers nothing.
const DRAIN_CHECKS_MAX: usize = 20;
const LOOK: Duration = Duration::from_millis(100);

impl Cluster {
    /// The network to clients; `None` where members do not serve.
    pub(crate) fn links(&self) -> Option<&Links> {
        self.0.links.as_ref()
    }

    /// The cluster's id.
    pub fn cluster_id(&self) -> ClusterId {
        self.0.initial.id
    }

    /// Where a member serves clients; `None` while it does not.
    pub fn address(&self, place: usize) -> Option<SocketAddr> {
        Some(self.slot(place).up.as_ref()?.serving.as_ref()?.address)
    }

    /// A node for a boot. Each has an address of its own: madsim never frees one.
    pub(super) fn machine_for(&self, place: usize, name: &str, boot: u32) -> Arc<NodeHandle> {
        let runtime = Handle::current();
        let builder = runtime.create_node().name(format!("{name}.{boot}"));
        let Some(links) = &self.0.links else { return Arc::new(builder.build()) };
        let node = builder.ip(ip(place, boot)).build();
        links.member_moved(place, &node);
        Arc::new(node)
    }

    /// Serves clients from when the member is ready.
    pub(super) async fn serve(self, place: usize, boot: u32, handle: MemberHandle) {
        if !handle.reaches(|status| status.is_ready).await {
            return;
        }
        let service = service(handle, Limits { txn_ops_max: TXN_OPS_MAX });
        let address = SocketAddr::new(ip(place, boot), PORT);
        let serving = serve(service, address).await.expect("the address is used once");
        let mut slot = self.slot(place);
        let is_current = slot.boots == boot;
        if let Some(up) = slot.up.as_mut().filter(|_| is_current) {
            up.serving = Some(serving);
        }
    }

    /// The services answer what is left: the member has stopped, and says so.
    pub(super) async fn drained(&self, place: usize) {
        let unanswered = {
            let slot = self.slot(place);
            slot.up.as_ref().and_then(|up| Some(Arc::clone(&up.serving.as_ref()?.unanswered)))
        };
        let Some(unanswered) = unanswered else { return };
        for _ in 0..DRAIN_CHECKS_MAX {
            if unanswered.load(Ordering::Relaxed) == 0 {
                return;
            }
            sleep(LOOK).await;
        }
        panic!(
            "promise broken: once a member has stopped its calls end, but {} of member {place} did not",
            unanswered.load(Ordering::Relaxed)
        );
    }
}

fn ip(place: usize, boot: u32) -> IpAddr {
    let place = u8::try_from(place).expect("fewer members than addresses");
    let [high, low] = u16::try_from(boot).expect("fewer boots than addresses").to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(10, place + 1, high, low))
}
