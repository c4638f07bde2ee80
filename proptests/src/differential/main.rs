//! The same random requests to detcd and to a real etcd 3.7.1, every answer compared.
//!
//! ```sh
//! cargo build --release -p detcd --bin detcd -p detcd-proptests
//! (cd server/tests/go && go build -o /tmp/etcd ./peer)
//! target/release/differential --detcd target/release/detcd --etcd /tmp/etcd --requests 200000
//! ```
//!
//! First every script in `proptests/differential/` is run: what was found before. Then scripts made from the seed,
//! each on a new detcd and a new etcd, until so many requests were compared. Both servers go through one history in
//! lockstep, so revisions are equal, too. What may differ is said in `normalize` and `ties`, and for users in
//! docs/compatibility.md. A difference is shrunk to the shortest script that shows it, printed, and kept as a file.

mod catalog;
mod client;
mod generate;
mod normalize;
mod options;
mod process;
mod run;
mod script;
mod shrink;
mod symbols;
mod tally;
mod ties;
mod watching;

use options::Options;
use run::{Difference, Programs};
use script::Step;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use tally::Tally;

/// Scripts that differ before the run is given up.
const DIFFERENCES_MAX: usize = 8;
/// How long one difference is shrunk.
const SHRINK_FOR: Duration = Duration::from_secs(180);
/// Where scripts that once showed a difference are kept.
const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/differential");

/// What all workers share.
struct Work {
    options: Options,
    programs: Programs,
    /// Files to run before anything is made up.
    files: Mutex<VecDeque<PathBuf>>,
    next: Mutex<u64>,
    tally: Mutex<Tally>,
    failures: Mutex<Vec<String>>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    match compare(options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("differential: {error}");
            ExitCode::from(2)
        }
    }
}

/// True where nothing differed.
fn compare(options: Options) -> Result<bool, String> {
    let dir = run::data_dir(&options.dir).map_err(|error| format!("{}: {error}", options.dir.display()))?;
    let programs = Programs { detcd: options.detcd.clone(), etcd: options.etcd.clone(), dir: dir.clone() };
    let files = if options.replay.is_empty() { kept_scripts()? } else { options.replay.clone() };
    let kept = files.len();
    let work = Work {
        programs,
        files: Mutex::new(files.into()),
        next: Mutex::new(0),
        tally: Mutex::new(Tally::default()),
        failures: Mutex::new(Vec::new()),
        options,
    };
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..work.options.pairs {
            scope.spawn(|| worker(&work));
        }
    });
    // Only logs of servers are left in it.
    let _ = std::fs::remove_dir_all(&dir);
    let (tally, failures) = (locked(&work.tally).clone(), locked(&work.failures).clone());
    let seconds = started.elapsed().as_secs_f64();
    let requests = tally.requests();
    println!("{tally}");
    let (scripts, seed) = (*locked(&work.next), work.options.seed);
    println!(
        "{kept} kept scripts and {scripts} of seed {seed}: {requests} requests in {seconds:.0} s, {:.0} a second",
        f64::from(u32::try_from(requests).unwrap_or(u32::MAX)) / seconds
    );
    println!("{} differences", failures.len());
    failures.iter().for_each(|failure| println!("\n{failure}"));
    Ok(failures.is_empty())
}

fn worker(work: &Work) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime needs no more than a process may have");
    runtime.block_on(async {
        while locked(&work.failures).len() < DIFFERENCES_MAX {
            let file = locked(&work.files).pop_front();
            if let Some(file) = file {
                replay(work, &file).await;
                continue;
            }
            if locked(&work.tally).requests() >= work.options.requests || !work.options.replay.is_empty() {
                return;
            }
            made_up(work).await;
        }
    });
}

/// Runs a script that was kept. It is short already.
async fn replay(work: &Work, file: &Path) {
    let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let read = std::fs::read_to_string(file).map_err(|error| error.to_string());
    let script = match read.and_then(|text| script::parse(&text)) {
        Ok(script) => script,
        Err(error) => return locked(&work.failures).push(format!("{}: {error}", file.display())),
    };
    let mut tally = Tally::default();
    let found = run::run(&work.programs, &name, &script, &mut tally).await;
    locked(&work.tally).add(&tally);
    if let Some(difference) = found {
        locked(&work.failures).push(format!("{}\n{}", file.display(), told(&script, &difference)));
    }
}

/// Runs the next script of the seed, and shrinks what it finds.
async fn made_up(work: &Work) {
    let index = {
        let mut next = locked(&work.next);
        *next += 1;
        *next - 1
    };
    let seed = work.options.seed.wrapping_mul(1_000_003).wrapping_add(index);
    let script = generate::script(seed, work.options.steps);
    let name = format!("script-{}-{index}", work.options.seed);
    let mut tally = Tally::default();
    let found = run::run(&work.programs, &name, &script, &mut tally).await;
    locked(&work.tally).add(&tally);
    let Some(difference) = found else { return };
    println!("{name} differs:\n{}", told(&script, &difference));
    let shrunk = if work.options.shrinks {
        shrink::shrink(&work.programs, &name, &script, difference.clone(), SHRINK_FOR).await
    } else {
        None
    };
    let failure = match shrunk {
        Some(shrunk) => keep(&name, &shrunk),
        None => format!("{name}, not shown again by itself:\n{}", told(&script, &difference)),
    };
    println!("{failure}");
    locked(&work.failures).push(failure);
}

/// Writes a shrunk script where the next run finds it.
fn keep(name: &str, shrunk: &shrink::Shrunk) -> String {
    let steps = script::print(&shrunk.script);
    let difference = told(&shrunk.script, &shrunk.difference);
    let comment: String = difference.lines().map(|line| format!("# {line}\n")).collect();
    let path = Path::new(KEPT).join(format!("{name}.script"));
    let kept =
        std::fs::create_dir_all(KEPT).and_then(|()| std::fs::write(&path, format!("{comment}{steps}")));
    let place = match kept {
        Ok(()) => format!("kept as {}", path.display()),
        Err(error) => format!("{} cannot be written: {error}", path.display()),
    };
    format!("{name}, {} steps after {} runs, {place}\n{steps}{difference}", shrunk.script.len(), shrunk.tries)
}

fn told(script: &[Step], difference: &Difference) -> String {
    let step = script.get(difference.step).map(ToString::to_string).unwrap_or_default();
    let cut = |text: &str| text.chars().take(6_000).collect::<String>();
    format!(
        "step {}: {}\n  detcd: {}\n  etcd:  {}",
        difference.step,
        cut(&step),
        cut(&difference.detcd),
        cut(&difference.etcd)
    )
}

fn kept_scripts() -> Result<Vec<PathBuf>, String> {
    let entries = match std::fs::read_dir(KEPT) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(format!("{KEPT}: {error}")),
    };
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut paths = paths.collect::<Result<Vec<_>, _>>().map_err(|error| format!("{KEPT}: {error}"))?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "script"));
    paths.sort();
    Ok(paths)
}

/// A worker that panicked has told why; what the others share is whole between two of their statements.
fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
