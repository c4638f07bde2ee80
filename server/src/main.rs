//! `detcd`: one member as a process.

mod process;

use detcd::callers::Callers;
use detcd::clock::{Clock, RealClock};
use detcd::config::ServerConfig;
use detcd::disk::real::RealDisk;
use detcd::disk::wal::SEGMENT_BYTES;
use detcd::handle::MemberHandle;
use detcd::member::{self, Deps, Member, MemberConfig, StartError};
use detcd::metrics::Metrics;
use detcd::peer::grpc::{GrpcTransport, PeerService};
use detcd::wire;
use detcd_engine::config::Config;
use process::dial::DialPeers;
use process::flags::{self, AuthSettings, Invocation, Settings};
use process::initial_flags;
use process::logging;
use process::notices;
use process::passwords::Bcrypt;
use process::reader_threads::ReaderThreads;
use process::restore;
use process::run::{self, Encryption, Listeners, Started};
use process::signed_tokens::signed_tokens;
use std::error::Error;
use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Read};
use std::process::ExitCode;
use std::sync::Arc;
use tokio::sync::oneshot;
use tracing::error;

/// Requests come and go on many threads, in small pieces: it takes a tenth off their CPU (docs/performance.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.next_if(|first| first == "restore").is_some() {
        return restore::run(arguments, seed());
    }
    // A variable that is not UTF-8 can be no flag's: its name would be unknown either way.
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())));
    let settings = match flags::parse(arguments, environment, read_config_file) {
        Ok(Invocation::Run(settings)) => *settings,
        Ok(Invocation::Print(text)) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Ok(Invocation::Check(settings)) => return check(&settings),
        Err(refusal) => {
            for notice in &refusal.notices {
                eprintln!("{notice}");
            }
            eprintln!("{refusal}");
            return ExitCode::from(refusal.exit_code);
        }
    };
    if let Err(error) = logging::start(&settings.log) {
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    for notice in &settings.notices {
        notices::log(notice);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            error!(%error, "failed to start the runtime");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(settings)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!(%error, "failed to run the member");
            ExitCode::FAILURE
        }
    }
}

/// No more than is looked at, and one byte that says whether there is more: the path may be a device.
fn read_config_file(path: &str) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(flags::CONFIG_FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What a start would go on to ask: whether a cluster can be founded, where there is none yet. Nothing is changed.
fn check(settings: &Settings) -> ExitCode {
    for notice in &settings.notices {
        println!("{notice}");
    }
    match settings.server.first_cluster() {
        Err(refusal) if !settings.server.data_dir.join("member").exists() => {
            eprintln!("{refusal}");
            ExitCode::FAILURE
        }
        _ => {
            println!("the configuration is fine");
            ExitCode::SUCCESS
        }
    }
}

/// Starts the member and serves it until a signal asks to stop.
async fn run(settings: Settings) -> Result<(), Box<dyn Error>> {
    let listeners = Listeners::bind(&settings).await?;
    let encryption = Encryption::of(&settings)?;
    let config = &settings.server;
    let clock: Arc<dyn Clock> = Arc::new(RealClock::start());
    let metrics = Metrics::new();
    let callers = Arc::new(callers(&settings.auth, Arc::clone(&clock))?);
    let deps = Deps {
        disk: Arc::new(RealDisk::start(Arc::clone(&metrics.disk))?),
        clock: Arc::clone(&clock),
        transport: Arc::new(GrpcTransport::new(
            clock,
            Arc::new(DialPeers::new(Arc::clone(&encryption.peers))),
            Arc::clone(&metrics.peers),
        )),
        encode_events: wire::encode_batch,
        readers: Arc::new(ReaderThreads::start("reads")?),
        callers,
        metrics,
        observer: None,
    };
    let member = start(config, deps).await?;
    let ids = (member.handle().cluster_id(), member.handle().member_id());
    for ignored in initial_flags::ignored(config, &settings.flags_given, ids, member.membership()) {
        ignored.warn();
    }
    let handle = member.handle();
    let peer_service = PeerService::new(member.peer_inbox());
    let (stop, stop_asked) = oneshot::channel();
    let supervisor = tokio::spawn(supervise(member, stop_asked));
    let started = Started {
        ready: wait_until_ready(handle.clone()),
        handle,
        peer_service,
        stop: async move {
            if stop.send(()).is_ok() && supervisor.await.is_err() {
                error!("the member did not stop in order");
            }
        },
    };
    run::serve(&settings, listeners, encryption, started).await
}

/// Starts what the data directory holds, or founds a cluster. Flags that found none matter only where there is none yet.
async fn start(config: &ServerConfig, deps: Deps) -> Result<Member, Box<dyn Error>> {
    let (engine, data_dir) = (config.engine(), config.data_dir.clone());
    match config.first_cluster() {
        Ok((initial_cluster, me)) => {
            let engine = Config { member: me, cluster: initial_cluster.id, ..engine };
            let config = MemberConfig { engine, data_dir, initial_cluster, wal_segment_bytes: SEGMENT_BYTES };
            Ok(member::start(config, deps, seed()).await?)
        }
        Err(refusal) => match member::restart(engine, data_dir, SEGMENT_BYTES, deps, seed()).await {
            Err(StartError::NotBegun { .. }) => Err(refusal.into()),
            restarted => Ok(restarted?),
        },
    }
}

/// How clients prove who they are, by these flags.
fn callers(settings: &AuthSettings, clock: Arc<dyn Clock>) -> Result<Callers, Box<dyn Error>> {
    let passwords = Arc::new(Bcrypt::start(settings.bcrypt_cost)?);
    Ok(Callers::new(clock, passwords, settings.token_ttl_secs, signed_tokens(&settings.tokens)?))
}

async fn wait_until_ready(handle: MemberHandle) {
    if !handle.reaches(|status| status.is_ready).await {
        // The member ended first, and its supervisor ends the process.
        std::future::pending::<()>().await;
    }
}

/// Stops the member when asked. One that cannot go on ends the process at once: what its disk holds is read again
/// by the next start, and nothing that happens meanwhile could be believed.
async fn supervise(mut member: Member, stop_asked: oneshot::Receiver<()>) {
    let failure = tokio::select! {
        biased;
        failure = member.failed() => Some(failure),
        _ = stop_asked => None,
    };
    match failure {
        None => member.stop().await,
        Some(failure) => {
            error!(%failure, "the member cannot go on");
            std::process::exit(1);
        }
    }
}

/// Different at every start: the keys of the standard library's hasher come from the operating system.
fn seed() -> u64 {
    RandomState::new().build_hasher().finish()
}
