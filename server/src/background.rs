//! Long work that the engine asks for and that no put waits for: a snapshot to the disk, a snapshot to a member.

use crate::clock::{Clock, Stopwatch};
use crate::disk::snapshot_file::{self, SnapshotName, SnapshotWriter};
use crate::disk::{Disk, DiskError};
use crate::failure::MemberError;
use crate::log_task::LogJob;
use crate::metrics::Metrics;
use crate::peer::{Transport, snapshot};
use detcd_engine::ids::ClusterId;
use detcd_engine::input::Input;
use detcd_engine::snapshot::Writer;
use detcd_engine::snapshot::{Checkpoint, OutgoingSnapshot};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Starts the tasks, each with what it needs of the member.
#[derive(Debug)]
pub(crate) struct Background {
    pub(crate) cluster: ClusterId,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) snap_dir: PathBuf,
    pub(crate) log: mpsc::UnboundedSender<LogJob>,
    pub(crate) inputs: mpsc::UnboundedSender<Input>,
    pub(crate) failed: mpsc::UnboundedSender<MemberError>,
    pub(crate) metrics: Metrics,
    pub(crate) tasks: Vec<JoinHandle<()>>,
}

impl Background {
    /// Writes the state to a snapshot file; then the log before it may go.
    pub(crate) fn write_checkpoint(&mut self, checkpoint: Checkpoint) {
        let (disk, dir) = (Arc::clone(&self.disk), self.snap_dir.clone());
        let (log, inputs, failed) = (self.log.clone(), self.inputs.clone(), self.failed.clone());
        let metrics = Arc::clone(&self.metrics.tasks);
        self.spawn(async move {
            let index = checkpoint.meta.index;
            let began = Stopwatch::start();
            match write(&disk, &dir, checkpoint).await {
                Ok(oldest_kept) => {
                    metrics.checkpointed(began.elapsed());
                    tracing::info!(snapshot_index = index, "saved snapshot to disk");
                    drop(inputs.send(Input::CheckpointWritten { index }));
                    drop(log.send(LogJob::RemoveUpTo(oldest_kept)));
                }
                Err(error) => drop(failed.send(error.into())),
            }
        });
    }

    /// Sends the state to a member in pieces, then tells the engine whether it arrived.
    pub(crate) fn send_snapshot(&mut self, outgoing: OutgoingSnapshot) {
        let to = outgoing.message.to;
        let inputs = self.inputs.clone();
        let sending =
            snapshot::send(outgoing, self.cluster, Arc::clone(&self.transport), Arc::clone(&self.clock));
        let metrics = Arc::clone(&self.metrics.peers);
        self.spawn(async move {
            metrics.sending_snapshot(to);
            let began = Stopwatch::start();
            let delivered = sending.await;
            metrics.sent_snapshot(to, delivered, began.elapsed());
            drop(inputs.send(Input::SnapshotSent { to, delivered }));
        });
    }

    fn spawn(&mut self, work: impl Future<Output = ()> + Send + 'static) {
        self.tasks.retain(|task| !task.is_finished());
        self.tasks.push(tokio::spawn(work));
    }
}

impl Drop for Background {
    /// The member stops: an unfinished file is a stray that the next start removes. What was asked of the disk for it
    /// is still done, up to the end of the disk's use.
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Writes a snapshot file; answers the index of the oldest one kept.
pub(crate) async fn write(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    checkpoint: Checkpoint,
) -> Result<u64, DiskError> {
    let Checkpoint { meta, state } = checkpoint;
    let name = SnapshotName::of(&meta);
    let mut file = SnapshotWriter::create(disk, dir, "checkpoint").await?;
    let mut pieces = Writer::new(meta, state);
    while let Some(piece) = pieces.next_piece() {
        file.push(piece).await?;
        // Encoding a piece takes tens of microseconds; the tasks on this thread get their turn in between.
        tokio::task::yield_now().await;
    }
    file.finish(name).await?;
    snapshot_file::keep_two(&**disk, dir, name.index).await
}
