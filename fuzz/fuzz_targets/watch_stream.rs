//! See `detcd_fuzz::watch_stream`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| detcd_fuzz::cost::bounded(data, detcd_fuzz::watch_stream::run));
