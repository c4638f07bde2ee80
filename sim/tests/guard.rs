//! Says so where the simulator is missing, instead of passing with no test in it.

#[cfg(not(madsim))]
#[test]
fn the_simulator_is_compiled_in() {
    let set: Vec<&str> = ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_RUSTFLAGS"]
        .into_iter()
        .filter(|name| std::env::var_os(name).is_some())
        .collect();
    panic!(
        "the simulations were compiled without --cfg madsim and did not run. Cargo takes it from .cargo/config.toml: \
         unset {} and run cargo inside the repository",
        if set.is_empty() { "RUSTFLAGS".to_owned() } else { set.join(", ") }
    );
}

#[cfg(madsim)]
#[test]
fn the_simulator_is_compiled_in() {
    let report = detcd_sim::runner::run(0).unwrap_or_else(|failure| panic!("{failure}"));
    assert!(report.events > 0, "a run without events");
}
