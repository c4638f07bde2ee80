//! `detcd`: one member as a process.

mod process;

use detcd::clock::{Clock, RealClock};
use detcd::config::ServerConfig;
use detcd::disk::real::RealDisk;
use detcd::disk::wal::SEGMENT_BYTES;
use detcd::handle::MemberHandle;
use detcd::member::{self, Deps, Member, MemberConfig, StartError};
use detcd::peer::grpc::{GrpcTransport, PeerService};
use detcd::wire;
use detcd_engine::config::Config;
use process::dial::DialPeers;
use process::flags::{self, Invocation};
use process::initial_flags;
use process::logging;
use process::reader_threads::ReaderThreads;
use process::run::{self, Encryption, Listeners, Started};
use process::settings::{Settings, Warning};
use std::error::Error;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::process::ExitCode;
use std::sync::Arc;
use tokio::sync::oneshot;
use tracing::{error, warn};

/// Requests come and go on many threads, in small pieces: it takes a tenth off their CPU (docs/performance.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = std::env::args().skip(1);
    // A variable that is not UTF-8 can be no flag's: its name would be unknown either way.
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())));
    let settings = match flags::parse(arguments, environment) {
        Ok(Invocation::Run(settings)) => *settings,
        Ok(Invocation::Print(text)) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(error.exit_code());
        }
    };
    logging::start(settings.log_level);
    for warning in &settings.warnings {
        warn_of(warning);
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

fn warn_of(warning: &Warning) {
    match warning {
        Warning::UnknownVariable(name) => {
            warn!(environment_variable = name, "unrecognized environment variable")
        }
        Warning::UnusedCertificate(side) => {
            warn!(
                ?side,
                "the scheme of every listen URL is HTTP while key/cert files are presented: they are not used"
            );
        }
        Warning::LargeQuota(bytes) => {
            warn!(quota_size_bytes = bytes, "quota exceeds suggested maximum of 8 GiB");
        }
    }
}

/// Starts the member and serves it until a signal asks to stop.
async fn run(settings: Settings) -> Result<(), Box<dyn Error>> {
    let encryption = Encryption::of(&settings)?;
    let listeners = Listeners::bind(&settings).await?;
    let config = &settings.server;
    let clock: Arc<dyn Clock> = Arc::new(RealClock::start());
    let deps = Deps {
        disk: Arc::new(RealDisk::start()?),
        clock: Arc::clone(&clock),
        transport: Arc::new(GrpcTransport::new(
            clock,
            Arc::new(DialPeers::new(Arc::clone(&encryption.peers))),
        )),
        encode_events: wire::encode_batch,
        readers: Arc::new(ReaderThreads::start()?),
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
