//! See `detcd_fuzz::flags_parse`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| detcd_fuzz::cost::bounded(
    data,
    detcd_fuzz::flags_parse::command_line
));
