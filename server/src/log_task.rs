//! The task that owns the log: everything that waits is written with one sync.

use crate::clock::Stopwatch;
use crate::disk::DiskError;
use crate::disk::snapshot_file::{SnapshotName, SnapshotTmp};
use crate::disk::wal::Wal;
use crate::failure::MemberError;
use crate::metrics::TaskMetrics;
use crate::peer::Transport;
use crate::peer::snapshot::receiver::Fate;
use detcd_engine::effects::Persist;
use detcd_engine::input::Input;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Writes that share a sync, at most. The engine has few in flight at a time; this bounds memory.
const SHARED_MAX: usize = 1024;

/// Work on the log, done in order.
#[derive(Debug)]
pub(crate) enum LogJob {
    /// Make durable.
    Persist(Persist),
    /// Give the file of a received snapshot its name: the engine has taken it, and the record of that comes next.
    NameSnapshot(TakenSnapshot),
    /// A durable snapshot covers everything up to here.
    RemoveUpTo(u64),
}

/// A received snapshot that the engine has taken.
#[derive(Debug)]
pub(crate) struct TakenSnapshot {
    pub(crate) file: SnapshotTmp,
    pub(crate) name: SnapshotName,
    /// Told once it has its name.
    pub(crate) receiver: oneshot::Sender<Fate>,
}

/// Until nobody can send more work; what was sent is done first. Whenever nothing waits, the last batch is closed.
pub(crate) async fn run(
    mut wal: Wal,
    mut jobs: mpsc::UnboundedReceiver<LogJob>,
    transport: Arc<dyn Transport>,
    inputs: mpsc::UnboundedSender<Input>,
    failed: mpsc::UnboundedSender<MemberError>,
    metrics: Arc<TaskMetrics>,
) {
    let mut waiting = Vec::new();
    let mut ended = Ok(());
    while ended.is_ok() && jobs.recv_many(&mut waiting, SHARED_MAX).await > 0 {
        ended = work(&mut wal, &mut waiting, &*transport, &inputs, &metrics).await;
        if ended.is_ok() && jobs.is_empty() {
            ended = wal.close_batch().await;
        }
    }
    if ended.is_ok() {
        ended = wal.finish().await;
    }
    if let Err(error) = ended {
        // Nothing is retried, and no `Persisted` follows: nobody is told of what may not be there.
        drop(failed.send(error.into()));
    }
}

async fn work(
    wal: &mut Wal,
    waiting: &mut Vec<LogJob>,
    transport: &dyn Transport,
    inputs: &mpsc::UnboundedSender<Input>,
    metrics: &TaskMetrics,
) -> Result<(), DiskError> {
    let mut batches = Vec::with_capacity(waiting.len());
    let mut then_send = Vec::new();
    let mut newest = None;
    let mut covered = None;
    for job in waiting.drain(..) {
        match job {
            LogJob::Persist(Persist { id, records, then_send: messages }) => {
                assert!(newest < Some(id), "{id:?} to be persisted after {newest:?}");
                newest = Some(id);
                batches.push(records);
                then_send.extend(messages);
            }
            // I18. Before any record of this round: the one that says that it was installed is among them, or follows.
            LogJob::NameSnapshot(TakenSnapshot { file, name, receiver }) => {
                file.name(name).await?;
                // Whoever sent it may have stopped waiting.
                drop(receiver.send(Fate::Installed));
            }
            LogJob::RemoveUpTo(index) => covered = covered.max(Some(index)),
        }
    }
    let began = Stopwatch::start();
    wal.append(&batches).await?;
    if !batches.is_empty() {
        metrics.persisted(batches.len(), began.elapsed());
    }
    // I4
    for message in then_send {
        transport.send(message);
    }
    if let Some(id) = newest {
        // A main loop that is gone has stopped in order: nobody waits for this any more.
        drop(inputs.send(Input::Persisted(id)));
    }
    match covered {
        Some(index) => wal.remove_up_to(index).await,
        None => Ok(()),
    }
}
