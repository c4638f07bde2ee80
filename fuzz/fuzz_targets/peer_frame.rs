//! See `detcd_fuzz::peer_frame`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| detcd_fuzz::cost::bounded(data, detcd_fuzz::peer_frame::run));
