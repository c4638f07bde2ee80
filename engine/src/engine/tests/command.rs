//! What a script can say.

/// The first number is always the member that is meant.
#[derive(goldenscript::Command)]
pub(super) enum Command {
    /// A new cluster whose first member leads, unless leader=false.
    Cluster {
        members: u64,
        #[arg(key, optional)]
        leader: Option<bool>,
        #[arg(key, optional)]
        entry_bytes: Option<usize>,
        #[arg(key, optional)]
        entry_commands: Option<usize>,
        #[arg(key, optional)]
        request_bytes: Option<usize>,
        #[arg(key, optional)]
        log_bytes: Option<usize>,
        #[arg(key, optional)]
        quota: Option<u64>,
        #[arg(key, optional)]
        snapshot_commands: Option<u64>,
        #[arg(key, optional)]
        pending: Option<usize>,
        #[arg(key, optional)]
        slice: Option<usize>,
        #[arg(key, optional)]
        keep_ms: Option<u64>,
        #[arg(key, optional)]
        keep_revisions: Option<i64>,
    },
    /// Everything that can happen without time passing.
    Run,
    /// `run`, then so many milliseconds pass; with a second number, for that member alone.
    Go(u64, #[arg(optional)] Option<u64>),
    /// Effects are not taken until `take`.
    Gather(u64),
    Take(u64),
    /// Writes become durable.
    Persist(u64),
    /// Writes wait, in `run` and `go` too.
    Stall(u64),
    Unstall(u64),
    /// Delivers what is queued now, to one member or all.
    Deliver(#[arg(optional)] Option<u64>),
    Drop(#[arg(optional)] Option<u64>),
    Duplicate,
    /// Puts what is queued aside, until `release`.
    Hold,
    Release,
    /// Snapshots wait.
    HoldSnapshots,
    /// The oldest snapshot arrives; with newest=true the newest.
    DeliverSnapshot {
        #[arg(key, optional)]
        newest: Option<bool>,
    },
    ReleaseSnapshots,
    /// Nothing goes to or from this member.
    Partition(u64),
    /// Nothing goes from one member to another.
    Cut(u64, u64),
    Heal,
    Crash(u64),
    /// Starts from the disk; with url=http://m1:1 advertised to clients from now on.
    Recover {
        member: u64,
        #[arg(key, optional)]
        url: Option<String>,
    },
    /// Keeps a member's state as it is, also for the next cluster.
    Keep(u64),
    /// Asks a member whether it lets in what was kept, sent by this member from this incarnation, as the leader of this term.
    Announce {
        member: u64,
        #[arg(key)]
        from: u64,
        #[arg(key)]
        incarnation: u64,
        #[arg(key)]
        term: u64,
        #[arg(key, optional)]
        index: Option<u64>,
        #[arg(key, optional)]
        voters: Option<usize>,
    },
    /// As if it had been let in and arrived whole.
    Plant {
        member: u64,
        #[arg(key)]
        from: u64,
        #[arg(key)]
        incarnation: u64,
        #[arg(key)]
        term: u64,
        #[arg(key, optional)]
        index: Option<u64>,
        #[arg(key, optional)]
        voters: Option<usize>,
    },
    /// A crashed member's disk is replaced.
    Wipe(u64),
    /// A crashed member's disk is copied.
    BackUp(u64),
    /// The copy takes the place of a crashed member's disk.
    Restore(u64),
    /// Prints messages and writes.
    Trace(bool),
    Status(#[arg(optional)] Option<u64>),
    /// Prints what a member has done since it started, and what it holds, as far as that is not nothing.
    Measure(u64),
    Agree,
    Put {
        member: u64,
        key: String,
        value: String,
        #[arg(key, optional)]
        lease: Option<i64>,
        #[arg(key, optional)]
        prev: Option<bool>,
        #[arg(key, optional)]
        require_leader: Option<bool>,
    },
    /// So many puts of keys k0000…, each with a value of so many bytes.
    Puts {
        member: u64,
        count: u64,
        #[arg(key, optional)]
        bytes: Option<usize>,
        #[arg(key, optional)]
        lease: Option<i64>,
        #[arg(key, optional)]
        prefix: Option<String>,
    },
    Get {
        member: u64,
        range: String,
        #[arg(key, optional)]
        revision: Option<i64>,
        #[arg(key, optional)]
        limit: Option<u64>,
        #[arg(key, optional)]
        serializable: Option<bool>,
        #[arg(key, optional)]
        require_leader: Option<bool>,
    },
    /// So many reads come and are answered: nothing is left of them but the next request's id.
    Reads(u64, u64),
    Del {
        member: u64,
        range: String,
        #[arg(key, optional)]
        prev: Option<bool>,
    },
    /// txn 1 "if version(a)=0 then put a 1, get a else del a"
    Txn(u64, String),
    Compact {
        member: u64,
        revision: i64,
        #[arg(key, optional)]
        physical: Option<bool>,
    },
    Grant(u64, i64, i64),
    Revoke(u64, i64),
    Keepalive(u64, i64),
    Ttl {
        member: u64,
        lease: i64,
        #[arg(key, optional)]
        keys: Option<bool>,
    },
    Leases(u64),
    Members(u64, #[arg(optional)] Option<bool>),
    /// alarm 1 list, alarm 1 raise=corrupt at=2, alarm 1 disarm=nospace at=2
    Alarm {
        member: u64,
        #[arg(key, optional)]
        raise: Option<String>,
        #[arg(key, optional)]
        disarm: Option<String>,
        #[arg(key, optional)]
        at: Option<u64>,
    },
    /// Who asks from now on: nobody, or a user with a proof of the auth revision that the asked member has then, or of
    /// this one.
    Be {
        name: String,
        #[arg(key, optional)]
        at: Option<u64>,
    },
    /// auth 1 "user-add alice secret": as the scripts of `auth` have it.
    Auth(u64, String),
    /// A user whose password was checked at the member.
    Login(u64, String),
    /// The client of a request leaves.
    Abandon(u64, u64),
    /// The member hands leadership on before it stops.
    Stop(u64),
    /// A stream of a member, opened when first named.
    Open(u64, u64, #[arg(optional)] Option<bool>),
    Watch {
        member: u64,
        stream: u64,
        range: String,
        #[arg(key, optional)]
        id: Option<i64>,
        #[arg(key, optional)]
        start: Option<i64>,
        #[arg(key, optional)]
        prev: Option<bool>,
        #[arg(key, optional)]
        fragment: Option<bool>,
    },
    Cancel(u64, u64, i64),
    Progress(u64, u64),
    Close(u64, u64),
    /// The client of a stream does not read.
    Slow(u64, u64),
    /// It reads what it owes, and reads on.
    Drain(u64, u64),
    /// A heartbeat that nobody sent, on no way that could be cut: heartbeat 3 from=1 term=2 commit=99
    Heartbeat {
        member: u64,
        #[arg(key)]
        from: u64,
        #[arg(key)]
        term: u64,
        #[arg(key)]
        commit: u64,
    },
    /// A message of somebody else's making: stranger 1 from=9 incarnation=1
    Stranger {
        member: u64,
        #[arg(key)]
        from: u64,
        #[arg(key)]
        incarnation: u64,
        #[arg(key, optional)]
        to_incarnation: Option<u64>,
    },
}
