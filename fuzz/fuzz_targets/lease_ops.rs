//! See `detcd_fuzz::lease_ops`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| detcd_fuzz::cost::bounded(data, detcd_fuzz::lease_ops::run));
