//! A shell around an engine that does what needs neither other members nor clients, with a disk in memory.
//!
//! It keeps what is to be written until the disk is said to have it, writes snapshots, evaluates reads, and starts the member again from the
//! bytes that a crash leaves. What is left of the effects, and when anything happens, is up to whoever owns it: tests,
//! fuzzers and measurements. Nothing of a real member uses it.

mod disk;

pub use disk::MemoryDisk;

use crate::config::Config;
use crate::effects::{Effects, Persist, SnapshotVerdict};
use crate::engine::Engine;
use crate::frame;
use crate::ids::{ClusterId, MemberId, RequestId};
use crate::input::Input;
use crate::membership::{InitialCluster, Member};
use crate::peer_message::PeerMessage;
use crate::raft::SnapshotMeta;
use crate::request::{Caller, Request};
use crate::snapshot::{Checkpoint, Reader, ReceivedSnapshot, SnapshotError, Writer};
use crate::state::{State, StateView};
use crate::time::Time;
use std::collections::VecDeque;

/// The cluster of all members in memory.
pub const CLUSTER: ClusterId = ClusterId(0xc);
/// A snapshot is read in pieces of so many bytes, which do not fit its sections.
const PIECE_BYTES: usize = 1000;

/// A member, what its shell holds, and its disk.
#[derive(Debug)]
pub struct MemoryMember {
    /// While it runs.
    pub engine: Option<Engine>,
    /// What it was started with, or will be.
    pub config: Config,
    /// What a crash leaves.
    pub disk: MemoryDisk,
    /// Writes that the disk does not have yet, oldest first.
    pub unsynced: VecDeque<Persist>,
    /// When the engine wants to be woken.
    pub wake_at: Option<Time>,
    /// Of the last request in this boot.
    pub request_counter: u64,
    /// A snapshot that the engine asked for and the disk does not have yet: its index and its bytes.
    checkpoint: Option<(u64, Vec<u8>)>,
    /// Snapshots that arrived whole, until the engine says what is to become of them.
    arrived: VecDeque<(u64, Vec<u8>)>,
}

impl MemoryMember {
    /// A member that has never run, with this snapshot and nothing else on its disk.
    pub fn new(config: Config, meta: &SnapshotMeta, state: &State) -> MemoryMember {
        MemoryMember {
            engine: None,
            disk: MemoryDisk::new(&config, meta, state),
            config,
            unsynced: VecDeque::new(),
            wake_at: None,
            request_counter: 0,
            checkpoint: None,
            arrived: VecDeque::new(),
        }
    }

    /// Starts the member from its disk. `seed` is `Engine::recover`'s.
    pub fn start(&mut self, seed: u64, now: Time) {
        let recovered = self.disk.recover(&self.config);
        self.engine = Some(Engine::recover(self.config.clone(), recovered, seed, now));
    }

    /// The process ends, and what the disk does not have is lost, but for the first `survivors` records of it.
    pub fn crash(&mut self, survivors: usize) {
        let unsynced = std::mem::take(&mut self.unsynced).into_iter().flat_map(|write| write.records);
        self.disk.append(&unsynced.take(survivors).collect::<Vec<_>>());
        self.config.boot += 1;
        (self.engine, self.checkpoint, self.wake_at) = (None, None, None);
        self.arrived.clear();
        self.request_counter = 0;
    }

    /// The disk of a member that does not run is replaced by one with this snapshot and nothing else.
    pub fn wipe(&mut self, meta: &SnapshotMeta, state: &State) {
        self.config.boot = 1;
        self.config.incarnation.0 += 1;
        self.disk = MemoryDisk::new(&self.config, meta, state);
    }

    fn running(&mut self) -> &mut Engine {
        self.engine.as_mut().expect("the member runs")
    }

    /// Something happens to a member that runs.
    pub fn step(&mut self, now: Time, input: Input) {
        self.running().step(now, input);
    }

    /// A client that is nobody asks; what it is asked under.
    pub fn ask(&mut self, now: Time, require_leader: bool, request: Request) -> RequestId {
        self.ask_as(now, require_leader, Caller::Anonymous, request)
    }

    /// Likewise, on behalf of somebody.
    pub fn ask_as(&mut self, now: Time, require_leader: bool, caller: Caller, request: Request) -> RequestId {
        self.request_counter += 1;
        let Config { member, boot, .. } = self.config;
        let id = RequestId { member, boot, counter: self.request_counter };
        self.step(now, Input::Request { id, require_leader, caller, request });
        id
    }

    /// A member's message arrives, in the frame it travels in.
    pub fn receive(&mut self, now: Time, message: &PeerMessage) {
        let Config { member, cluster, .. } = self.config;
        let bytes = frame::encode(message, cluster).into();
        let decoded = frame::decode(bytes, cluster, member).expect("a member's own frame");
        assert_eq!(decoded, *message, "a message survives its frame");
        self.step(now, Input::Peer(decoded));
    }

    /// A snapshot arrives whole, with the message that announces it.
    ///
    /// # Errors
    /// The bytes are not a snapshot.
    pub fn receive_snapshot(
        &mut self,
        now: Time,
        message: PeerMessage,
        bytes: Vec<u8>,
    ) -> Result<(), SnapshotError> {
        let (meta, state) = read_snapshot(&bytes)?;
        self.arrived.push_back((meta.index, bytes));
        let received = ReceivedSnapshot { message, state: Box::new(state) };
        self.step(now, Input::SnapshotReceived(received));
        Ok(())
    }

    /// What the engine asks for, without what is done here: writes and snapshots wait for the disk, and reads are among
    /// the replies.
    pub fn take_effects(&mut self) -> Effects {
        let mut effects = self.running().take_effects();
        self.wake_at = effects.wake_at;
        for verdict in effects.received.drain(..) {
            let (index, bytes) = self.arrived.pop_front().expect("one for each that arrived");
            if verdict == SnapshotVerdict::Installed {
                self.disk.keep_snapshot(index, bytes);
            }
        }
        self.unsynced.extend(effects.persist.take());
        if let Some(Checkpoint { meta, state }) = effects.checkpoint.take() {
            assert!(self.checkpoint.is_none(), "one checkpoint at a time");
            self.checkpoint = Some((meta.index, write_snapshot(meta, state)));
        }
        effects.replies.extend(effects.reads.drain(..).map(|read| (read.id, read.evaluate())));
        effects
    }

    /// The oldest write becomes durable. Returns the messages that waited for it; `None` where there was no write.
    pub fn persist_one(&mut self, now: Time) -> Option<Vec<PeerMessage>> {
        let Persist { id, records, then_send } = self.unsynced.pop_front()?;
        self.disk.append(&records);
        self.step(now, Input::Persisted(id));
        Some(then_send)
    }

    /// The index of a snapshot that the engine asked for and the disk does not have yet.
    pub fn checkpoint_index(&self) -> Option<u64> {
        self.checkpoint.as_ref().map(|(index, _)| *index)
    }

    /// That snapshot becomes durable, or is given up. False where there is none.
    pub fn finish_checkpoint(&mut self, now: Time, is_written: bool) -> bool {
        let Some((index, bytes)) = self.checkpoint.take() else { return false };
        if is_written {
            self.disk.keep_snapshot(index, bytes);
            self.step(now, Input::CheckpointWritten { index });
        } else {
            self.step(now, Input::CheckpointAbandoned);
        }
        true
    }
}

/// How member `id` of a cluster in memory is started first.
pub fn config(id: u64) -> Config {
    let mut config = Config::new(MemberId(id), CLUSTER);
    config.name = format!("m{id}");
    config.client_urls = vec![format!("http://m{id}:2379")];
    config
}

/// The first state of a cluster of members 1 to `members`.
pub fn first_state(members: u64) -> (SnapshotMeta, State) {
    let member = |id: u64| Member {
        id: MemberId(id),
        name: String::new(),
        peer_urls: vec![format!("http://m{id}:2380")],
        client_urls: Vec::new(),
        is_learner: false,
        incarnation: None,
    };
    let members = (1..=members).map(|id| (MemberId(id), member(id))).collect();
    let state = State::first(&InitialCluster { members, id: CLUSTER });
    (meta_of(&state), state)
}

/// Where a snapshot of the state stands, in a cluster whose members all vote.
pub fn meta_of(state: &State) -> SnapshotMeta {
    let (index, term) = state.applied();
    SnapshotMeta { index, term, voters: state.members().keys().copied().collect(), learners: Vec::new() }
}

/// All of a snapshot's bytes.
pub fn write_snapshot(meta: SnapshotMeta, state: StateView) -> Vec<u8> {
    let mut writer = Writer::new(meta, state);
    std::iter::from_fn(|| writer.next_piece()).flatten().collect()
}

/// What a snapshot's bytes say.
///
/// # Errors
/// The bytes are not a snapshot.
pub fn read_snapshot(bytes: &[u8]) -> Result<(SnapshotMeta, State), SnapshotError> {
    let mut reader = Reader::new();
    bytes.chunks(PIECE_BYTES).try_for_each(|piece| reader.push(piece))?;
    reader.finish()
}

/// Asserts what is true of every state: its hash is that of what is in it, and a snapshot of it reads back as the same
/// state, which has the same bytes again.
pub fn check_state(meta: SnapshotMeta, state: &State) {
    assert_eq!(state.store().hash(), state.store().hash_from_scratch(), "the store's hash");
    let bytes = write_snapshot(meta.clone(), state.view());
    let (reread_meta, reread) = read_snapshot(&bytes).expect("a snapshot written just now");
    assert_eq!((&reread_meta, reread.hash()), (&meta, state.hash()), "a snapshot read back");
    assert!(write_snapshot(meta, reread.view()) == bytes, "a snapshot has one form");
}
