//! `detcd`: one member as a process.

mod process;

use process::flags::{self, Invocation, Settings, Warning};
use process::logging;
use process::run::Listeners;
use std::error::Error;
use std::process::ExitCode;
use tracing::{error, warn};

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
            eprintln!("detcd: {error}");
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

async fn run(settings: Settings) -> Result<(), Box<dyn Error>> {
    let config = settings.server;
    let _listeners = Listeners::bind(&config).await?;
    let _first = config.first_cluster()?;
    Err("no member to start".into())
}
