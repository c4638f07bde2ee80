//! The process around a member: flags, logs, listeners, limits and signals. None of it exists in a simulation.

pub(crate) mod duration;
pub(crate) mod environment;
pub(crate) mod flags;
pub(crate) mod gate;
pub(crate) mod given;
pub(crate) mod listen;
pub(crate) mod logging;
pub(crate) mod run;
pub(crate) mod settings;
pub(crate) mod signals;
pub(crate) mod size_limit;
pub(crate) mod workers;
