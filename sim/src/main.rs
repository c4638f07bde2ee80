//! `detcd-sim`: runs seeds.

#[cfg(any(madsim, doc))]
mod cli;

#[cfg(any(madsim, doc))]
fn main() -> std::process::ExitCode {
    cli::main()
}

#[cfg(not(any(madsim, doc)))]
fn main() {
    eprintln!(
        "detcd-sim was built without --cfg madsim: unset RUSTFLAGS and run cargo inside the repository"
    );
    std::process::exit(1);
}
