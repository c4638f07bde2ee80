//! The process around a member: flags, logs, listeners, connections and signals. None of it exists in a simulation.

pub(crate) mod connection;
pub(crate) mod dial;
pub(crate) mod door;
pub(crate) mod flags;
pub(crate) mod framed;
pub(crate) mod http;
pub(crate) mod http1;
pub(crate) mod initial_flags;
pub(crate) mod listen;
pub(crate) mod logging;
pub(crate) mod metrics;
pub(crate) mod notices;
pub(crate) mod passwords;
pub(crate) mod peers;
pub(crate) mod port;
pub(crate) mod probe;
pub(crate) mod reader_threads;
pub(crate) mod restore;
pub(crate) mod run;
pub(crate) mod services;
pub(crate) mod signals;
pub(crate) mod signed_tokens;
pub(crate) mod stream;
pub(crate) mod systemd;
pub(crate) mod tls;
pub(crate) mod workers;
