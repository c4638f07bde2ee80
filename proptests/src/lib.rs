//! References: each room of the engine again, as plainly as it can be said and as slow as that is.

pub mod reference;
