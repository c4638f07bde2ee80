//! The binary that is shipped has nothing of the simulator in it.

#[test]
fn no_symbol_of_madsim() {
    let binary = std::fs::read(env!("CARGO_BIN_EXE_detcd")).unwrap();
    let has = |needle: &str| binary.windows(needle.len()).any(|window| window == needle.as_bytes());
    assert!(has("tokio"), "the search finds what is there");
    // A path's separator, and the beginning of a mangled name.
    for symbol in ["madsim::", "6madsim", "madsim_tokio", "madsim_tonic"] {
        assert!(!has(symbol), "{symbol} is in the binary");
    }
}
