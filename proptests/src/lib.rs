//! Each module of the engine against the plainest model of it.
//!
//! `reference` says what is right and knows nothing of the engine; `strategies` thinks up what could go wrong;
//! `translate` takes the one's words into the other's. What holds them against each other is in `tests/modules`.
//!
//! The simulator takes `reference` alone (`default-features = false`).

pub mod reference;
#[cfg(feature = "strategies")]
pub mod strategies;
#[cfg(feature = "engine")]
pub mod translate;
