//! `detcd`: one member as a process.

mod process;

use detcd::clock::{Clock, RealClock};
use detcd::disk::real::RealDisk;
use detcd::disk::wal::SEGMENT_BYTES;
use detcd::handle::MemberHandle;
use detcd::member::{self, Deps, Member, MemberConfig};
use detcd::peer::grpc::{GrpcTransport, PeerService};
use detcd::wire;
use detcd_engine::ids::Incarnation;
use process::flags::{self, Invocation};
use process::logging;
use process::reader_threads::ReaderThreads;
use process::run::{self, Listeners, Started};
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
        Warning::LargeQuota(bytes) => {
            warn!(quota_size_bytes = bytes, "quota exceeds suggested maximum of 8 GiB");
        }
    }
}

/// Starts the member and serves it until a signal asks to stop.
async fn run(settings: Settings) -> Result<(), Box<dyn Error>> {
    let config = settings.server;
    let listeners = Listeners::bind(&config).await?;
    let (initial_cluster, me) = config.first_cluster()?;
    let clock: Arc<dyn Clock> = Arc::new(RealClock::start());
    let deps = Deps {
        disk: Arc::new(RealDisk::start()?),
        clock: Arc::clone(&clock),
        transport: Arc::new(GrpcTransport::new(clock)),
        encode_events: wire::encode_batch,
        readers: Arc::new(ReaderThreads::start()?),
        observer: None,
    };
    let member_config = MemberConfig {
        // Incarnation and boot are the data directory's to say.
        engine: config.engine(me, initial_cluster.id, Incarnation(0), 0),
        data_dir: config.data_dir.clone(),
        initial_cluster,
        wal_segment_bytes: SEGMENT_BYTES,
    };
    let member = member::start(member_config, deps, seed()).await?;
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
    run::serve(&config, listeners, started).await
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
