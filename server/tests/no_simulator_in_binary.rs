//! The binary that is shipped has nothing of the simulator in it, and no bug that was put in on purpose.

fn binary_has() -> impl Fn(&str) -> bool {
    let binary = std::fs::read(env!("CARGO_BIN_EXE_detcd")).expect("the binary was built");
    move |needle| binary.windows(needle.len()).any(|window| window == needle.as_bytes())
}

#[test]
fn no_symbol_of_madsim() {
    let has = binary_has();
    assert!(has("tokio"), "the search finds what is there");
    // A path's separator, and the beginning of a mangled name.
    for symbol in ["madsim::", "6madsim", "madsim_tokio", "madsim_tonic"] {
        assert!(!has(symbol), "{symbol} is in the binary");
    }
}

#[test]
fn no_seeded_bug() {
    let has = binary_has();
    assert!(has("detcd_engine"), "the search finds what is there");
    for symbol in ["engine_sim", "server_sim", "seeded::is_on", "probes::reached"] {
        assert!(!has(symbol), "{symbol} is in the binary");
    }
    let bugs = concat!(env!("CARGO_MANIFEST_DIR"), "/../sim/engine-sim/bugs");
    let mut looked_for = 0;
    for file in std::fs::read_dir(bugs).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(!has(&name), "the seeded bug {name} is in the binary");
        looked_for += 1;
    }
    assert!(looked_for >= 30, "only {looked_for} seeded bugs were looked for");
}
