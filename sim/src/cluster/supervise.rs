//! A process supervisor: a member that ends by itself is started again. First its error is checked: a member may end
//! only if its disk failed, and may refuse to start only if its disk was damaged.

use super::Cluster;
use madsim::runtime::Handle;
use madsim::time::sleep;
use server_sim::disk::data_dir::DataDirError;
use server_sim::disk::snapshot_file::ReadError;
use server_sim::disk::wal::OpenError;
use server_sim::member::{MemberError, StartError};
use tokio::sync::mpsc;

/// A member ended by itself.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) place: usize,
    /// Which of its boots.
    pub(super) boot: u32,
    pub(super) end: End,
}

/// How.
#[derive(Debug)]
pub(super) enum End {
    NotStarted(StartError),
    Failed(MemberError),
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Restart,
    StaysDown,
}

impl Cluster {
    /// Ends with the run.
    pub(super) async fn supervise(self, mut ended: mpsc::UnboundedReceiver<Ended>) {
        while let Some(Ended { place, boot, end }) = ended.recv().await {
            let is_current = {
                let slot = self.slot(place);
                slot.up.is_some() && slot.boots == boot
            };
            // Its machine lost power meanwhile: its error is of no importance.
            if !is_current || self.machine(place).is_down() {
                continue;
            }
            let verdict = self.check_end(place, &end);
            let node = {
                let mut slot = self.slot(place);
                self.0.trace.begins(&slot.name, "down", format_args!("ends, {verdict:?}: {}", text(&end)));
                slot.machine.process_ends();
                slot.is_lost |= verdict == Verdict::StaysDown;
                self.0.network.down(slot.id);
                slot.up.take().expect("it is current").node
            };
            Handle::current().kill(node.id());
            let cluster = self.clone();
            madsim::task::spawn(async move {
                sleep(cluster.0.restart).await;
                cluster.start(place);
            });
        }
    }

    fn check_end(&self, place: usize, end: &End) -> Verdict {
        let machine = self.machine(place);
        let (is_of_disk, promise) = match end {
            End::NotStarted(error) => (is_of_disk(error), "a member starts from whatever a crash left"),
            End::Failed(error) => (matches!(error, MemberError::Disk(_)), "a member does not end by itself"),
        };
        if is_of_disk && machine.has_failed() {
            return Verdict::Restart;
        }
        let text = text(end);
        let is_start = matches!(end, End::NotStarted(_));
        assert!(
            is_start && !is_of_disk && machine.explains(&text),
            "promise broken: {promise}, unless its disk fails or is damaged, and says which file it is, but member \
             {place} ended with: {text}"
        );
        Verdict::StaysDown
    }
}

fn is_of_disk(error: &StartError) -> bool {
    matches!(
        error,
        StartError::Disk(_)
            | StartError::DataDir(DataDirError::Disk(_))
            | StartError::Wal(OpenError::Disk(_))
            | StartError::Snapshot(ReadError::Disk(_))
    )
}

fn text(end: &End) -> String {
    match end {
        End::NotStarted(error) => error.to_string(),
        End::Failed(error) => error.to_string(),
    }
}
