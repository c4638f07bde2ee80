//! TLS of a port and of what dials from it: certificates and rules from files, read again while the member runs.
//!
//! ```text
//!    files ── load ── Material ─┬─ server: what a listener shows, and whom it admits
//!                               └─ client: what a dialler shows, and whom it believes
//! ```
//!
//! rustls speaks, with aws-lc for the arithmetic; what etcd asks beyond it is in `rules`. A handshake takes the material
//! that is there when it begins.

mod cipher_suites;
mod load;
mod reload;
mod rules;
mod self_signed;

pub(crate) use load::TlsError;
pub(crate) use reload::Tls;
pub(crate) use self_signed::self_signed;

#[cfg(test)]
mod tests;
