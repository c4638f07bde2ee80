//! See `detcd_fuzz::wal_recover`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| detcd_fuzz::cost::bounded(data, detcd_fuzz::wal_recover::run));
