//! A simulated disk for each member that guarantees what `server_sim::disk` states, and nothing more.
//!
//! A machine's disk outlives its members: each boot has a `SimDisk` of its own, which is
//! closed when the power fails. A call to a closed handle never completes, as no caller is left.
//!
//! What fails while the power is on is in `faults`: errors, no room, slowness. Damage to what was durable is in
//! `rot`.

mod faults;
mod filesystem;
mod handle;
mod image;
mod rot;

pub use faults::OperationKind;
pub use handle::SimDisk;
pub use rot::{Damage, DamagedFile};

use crate::random::{Seed, Stream};
use crate::trace::Trace;
use faults::DiskFaults;
use filesystem::SimFilesystem;
use serde::{Deserialize, Serialize};
#[cfg(test)]
use server_sim::disk as api;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// No sync takes longer by chance. Well beyond any election timeout, and well within the time that members have to
/// come to rest.
const LONGEST_SYNC: Duration = Duration::from_secs(5);

/// How a disk behaves, before any fault of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskProfile {
    /// How long a sync usually takes; zero for at once.
    pub sync_us: u64,
    /// Syncs that take up to 100 times as long, or `LONGEST_SYNC`, in a million.
    pub slow_syncs_per_million: u32,
    /// How long a write to a snapshot usually takes; zero for at once.
    pub snapshot_write_us: u64,
    /// Between the end of a process that failed and its next start.
    pub restart_ms: u64,
}

impl DiskProfile {
    /// The disks of a seed.
    pub fn draw(seed: Seed) -> DiskProfile {
        let mut stream = seed.stream("swarm/disk");
        DiskProfile {
            sync_us: stream.pick(&[0, 500, 3000, 10_000]),
            slow_syncs_per_million: stream.pick(&[0, 0, 10_000]),
            snapshot_write_us: stream.pick(&[0, 0, 1000, 30_000]),
            restart_ms: stream.pick(&[1, 100, 1000]),
        }
    }
}

/// One machine's disk. Cheap to clone; all clones are the same disk.
#[derive(Clone, Debug)]
pub struct Machine(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    name: String,
    filesystem: SimFilesystem,
    profile: DiskProfile,
    stream: Stream,
    trace: Trace,
    /// Which boot may use the disk.
    boot: u32,
    locked: BTreeSet<PathBuf>,
    /// This boot's member has ended in order: it does no more operations.
    is_closed: bool,
    /// The power fails at the so many-th operation from now.
    operations_left: Option<u64>,
    /// No power failure is due any more.
    faults_ended: bool,
    is_down: bool,
    operations: u64,
    faults: DiskFaults,
    /// Files that do not hold what was written to them.
    damaged: Vec<PathBuf>,
}

/// Whether an operation is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Admission {
    Done,
    /// The power fails in the middle of it: its effect may be found later, and the call never completes.
    Last,
    /// It fails.
    Closed,
    Dead,
}

impl Machine {
    /// With an empty disk.
    pub fn new(name: String, profile: DiskProfile, stream: Stream, trace: Trace) -> Machine {
        let state = State {
            name,
            filesystem: SimFilesystem::new(),
            profile,
            stream,
            trace,
            boot: 0,
            locked: BTreeSet::new(),
            is_closed: false,
            operations_left: None,
            faults_ended: false,
            is_down: true,
            operations: 0,
            faults: DiskFaults::default(),
            damaged: Vec::new(),
        };
        Machine(Arc::new(Mutex::new(state)))
    }

    /// The machine comes up: its disk, for this boot.
    pub fn boot(&self) -> SimDisk {
        let mut state = self.lock();
        assert!(state.is_down, "{} boots while it is up", state.name);
        state.is_down = false;
        state.is_closed = false;
        state.boot += 1;
        state.faults.begin_boot();
        SimDisk::new(self.clone(), state.boot)
    }

    /// The power fails: unsynced writes survive or not, as the stream says.
    pub fn lose_power(&self) {
        let mut state = self.lock();
        state.go_down();
        let State { filesystem, stream, .. } = &mut *state;
        filesystem.lose_power(stream);
    }

    /// The member's process ended; the machine stays up, and nothing is lost.
    pub fn process_ends(&self) {
        self.lock().go_down();
    }

    /// Writes a file while the machine is down. Whether there is such a directory.
    pub(crate) fn leave(&self, path: &Path, bytes: &[u8]) -> bool {
        let mut state = self.lock();
        assert!(state.is_down, "a file is left on {} while it is up", state.name);
        state.filesystem.leave(path, bytes).is_ok()
    }

    /// The names in a directory; none where it is not there.
    pub(crate) fn names(&self, dir: &Path) -> Vec<String> {
        self.lock().filesystem.list(dir).unwrap_or_default()
    }

    /// Cancels a power failure that is due and has not happened.
    pub fn cancel_power_failure(&self) {
        self.lock().operations_left = None;
    }

    /// Ends all disk faults and cancels a power failure that is due. Damage stays.
    pub fn end_faults(&self) {
        let mut state = self.lock();
        state.operations_left = None;
        state.faults_ended = true;
        state.faults.ends();
    }

    /// The power is to fail after so many more operations, in the middle of whatever that is: `is_down` says when. A
    /// fault of several failures may outlast the time of faults: then the power stays.
    pub fn fail_after(&self, operations: u64) {
        let mut state = self.lock();
        if !state.faults_ended {
            state.operations_left = Some(operations);
        }
    }

    /// Whether no operation of a member completes any more.
    pub fn is_down(&self) -> bool {
        self.lock().is_down
    }

    /// How many operations there were so far.
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no panic while it is held")
    }
}

impl State {
    fn go_down(&mut self) {
        self.is_down = true;
        self.operations_left = None;
        self.locked.clear();
    }

    /// Counts an operation; whether it is done at all.
    fn admits(&mut self, boot: u32) -> Admission {
        if self.is_down || boot != self.boot {
            return Admission::Dead;
        }
        if self.is_closed {
            return Admission::Closed;
        }
        self.operations += 1;
        match &mut self.operations_left {
            Some(0) => {
                self.go_down();
                Admission::Last
            }
            Some(left) => {
                *left -= 1;
                Admission::Done
            }
            None => Admission::Done,
        }
    }
}

#[cfg(test)]
#[path = "../../server/tests/disk/contract.rs"]
#[allow(clippy::unwrap_used, reason = "a test ends by a panic")]
mod contract;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// A machine without faults; whatever a crash may do to it is drawn from the seed.
    struct Simulated(Machine);

    impl Simulated {
        fn new(seed: u64) -> Simulated {
            let profile =
                DiskProfile { sync_us: 0, slow_syncs_per_million: 0, snapshot_write_us: 0, restart_ms: 1 };
            let machine = Machine::new("m0".to_owned(), profile, Seed(seed).stream("disk"), Trace::default());
            let disk = machine.boot();
            futures_util::FutureExt::now_or_never(server_sim::disk::Disk::create_dir(
                &disk,
                Path::new("/data"),
            ))
            .expect("nothing takes time here")
            .expect("there is room");
            futures_util::FutureExt::now_or_never(server_sim::disk::Disk::sync_dir(&disk, Path::new("/")))
                .expect("nothing takes time here")
                .expect("there is room");
            machine.process_ends();
            Simulated(machine)
        }
    }

    impl contract::Machine for Simulated {
        fn dir(&self) -> PathBuf {
            PathBuf::from("/data")
        }
        fn boot(&self) -> Arc<dyn server_sim::disk::Disk> {
            if !self.0.is_down() {
                self.0.process_ends();
            }
            Arc::new(self.0.boot())
        }
    }

    fn run<T>(test: impl Future<Output = T>) -> T {
        madsim::runtime::Runtime::with_seed_and_config(1, madsim::Config::default()).block_on(test)
    }

    #[test]
    fn the_simulated_disk_keeps_every_word_of_the_trait() {
        run(contract::every_sentence_holds(&Simulated::new(1)));
    }

    /// And does all that the trait leaves open: what no crash ever did, nothing would be tested against.
    #[test]
    fn a_crash_may_leave_whatever_was_not_synced() {
        let mut left = BTreeMap::new();
        for seed in 0..2000 {
            let machine = Simulated::new(seed);
            let lost = machine.0.clone();
            *left
                .entry(run(contract::what_was_synced_survives(&machine, || lost.lose_power())))
                .or_insert(0) += 1;
        }
        assert_eq!(left.len(), 32, "each of five, or not: {left:#?}");
    }
}
