//! What is told and stops nothing.

/// Something to tell the operator that stops nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// All settings are those of this file; these flags and variables were given too and are ignored.
    OnlyTheFile { path: String, ignored: Vec<String> },
    /// Something of the file is ignored.
    PassedOver(PassedOver),
    /// An `ETCD_*` variable that is no flag's.
    UnknownVariable(String),
    /// A flag that etcd ignores too.
    NoLongerSupported(String),
    /// A flag whose name or effect goes away, in etcd's words.
    Deprecated(String),
    /// A flag or a gate that changes nothing here, and why.
    MeansNothing { name: String, why: &'static str },
    /// Watches would be told of their progress too often.
    ProgressIntervalRaised,
    /// A quota larger than etcd recommends.
    LargeQuota(u64),
    /// Certificates of a side, of which no URL uses TLS.
    UnusedCertificate(&'static str),
}

/// What of a file was passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PassedOver {
    /// A key of etcd's that is none, with the one that was meant.
    Unknown { place: String, key: String, meant: Option<String> },
    /// More of them.
    More(usize),
    /// The first of two values of a key.
    Repeated { place: String, key: String },
    /// What comes after the first document.
    Documents { path: String },
}
