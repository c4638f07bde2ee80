//! See `detcd_fuzz::range_parse`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| detcd_fuzz::cost::bounded(data, detcd_fuzz::range_parse::run));
