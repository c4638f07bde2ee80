//! Which flags there are, and the value of each: as text or number, URL or one of few, or refused with what was expected.

use detcd::url::Url;
use std::collections::BTreeMap;
use std::str::FromStr;

/// Name, default (for `--help` only where another flag decides it), meaning.
pub(super) const FLAGS: [(&str, &str, &str); 50] = [
    ("name", "default", "Human-readable name of this member"),
    ("data-dir", "", "Path to the data directory (default: <name>.etcd)"),
    ("listen-peer-urls", "http://localhost:2380", "URLs to listen on for the other members"),
    ("listen-client-urls", "http://localhost:2379", "URLs to listen on for clients"),
    (
        "initial-advertise-peer-urls",
        "http://localhost:2380",
        "This member's peer URLs, for the other members",
    ),
    ("advertise-client-urls", "http://localhost:2379", "This member's client URLs, for clients"),
    ("initial-cluster", "", "First members, name=URL,... (default: this member alone)"),
    (
        "initial-cluster-state",
        "new",
        "'new' founds a cluster where the data directory is empty, 'existing' refuses to",
    ),
    ("initial-cluster-token", "etcd-cluster", "Tells clusters apart that are founded with equal URLs"),
    ("heartbeat-interval", "100", "Milliseconds between heartbeats"),
    ("election-timeout", "1000", "Milliseconds without a heartbeat before an election"),
    ("snapshot-count", "10000", "Commands between two snapshots, at least"),
    ("max-request-bytes", "1572864", "Largest request, in bytes"),
    ("max-txn-ops", "128", "Most operations in a transaction"),
    ("auto-compaction-mode", "periodic", "'periodic' or 'revision'"),
    ("auto-compaction-retention", "0", "Hours, a duration such as 5m, or revisions; 0 never compacts"),
    (
        "quota-backend-bytes",
        "0",
        "Size at which writes are refused, in bytes; 0 for 2 GiB, negative for none",
    ),
    ("watch-progress-notify-interval", "10m", "How often idle watches that asked for it are told so"),
    ("log-level", "info", "debug, info, warn, error, panic or fatal"),
    ("logger", "zap", "Accepted for compatibility: logs are JSON lines as zap writes them"),
    ("log-outputs", "default", "Accepted for compatibility: 'default' or 'stderr'"),
    (
        "listen-client-http-urls",
        "",
        "URLs to listen on for HTTP alone; --listen-client-urls then serve gRPC alone",
    ),
    ("listen-metrics-urls", "", "URLs to listen on for health checks alone"),
    ("cert-file", "", "Certificate that clients are shown (PEM)"),
    ("key-file", "", "Its key (PEM)"),
    ("client-cert-file", "", "Certificate that is shown where this member is a client (default: cert-file)"),
    ("client-key-file", "", "Its key (PEM)"),
    ("client-cert-auth", "false", "Clients need a certificate"),
    ("client-crl-file", "", "Clients' certificates with these serial numbers are refused"),
    ("client-cert-allowed-hostname", "", "Clients' certificates must be good for one of these names"),
    ("trusted-ca-file", "", "Clients' certificates must be signed by one of these (PEM)"),
    ("auto-tls", "false", "Make a certificate for clients where none is given"),
    ("peer-cert-file", "", "Certificate that other members are shown (PEM)"),
    ("peer-key-file", "", "Its key (PEM)"),
    (
        "peer-client-cert-file",
        "",
        "Certificate that is shown to other members called (default: peer-cert-file)",
    ),
    ("peer-client-key-file", "", "Its key (PEM)"),
    ("peer-client-cert-auth", "false", "Other members need a certificate"),
    ("peer-crl-file", "", "Other members' certificates with these serial numbers are refused"),
    ("peer-cert-allowed-cn", "", "Other members' certificates must have one of these common names"),
    ("peer-cert-allowed-hostname", "", "Other members' certificates must be good for one of these names"),
    ("peer-trusted-ca-file", "", "Other members' certificates must be signed by one of these (PEM)"),
    ("peer-auto-tls", "false", "Make a certificate for other members where none is given"),
    (
        "peer-skip-client-san-verification",
        "false",
        "Take other members' certificates wherever they come from",
    ),
    ("self-signed-cert-validity", "1", "Years that certificates made here are valid"),
    ("cipher-suites", "", "Cipher suites of TLS 1.2, by Go's names (default: all)"),
    ("tls-min-version", "TLS1.2", "TLS1.2 or TLS1.3"),
    ("tls-max-version", "", "TLS1.2 or TLS1.3 (default: TLS1.3)"),
    ("cors", "*", "Origins that may read answers over HTTP; * for all"),
    ("host-whitelist", "*", "Host names that may be asked for over HTTP without TLS; * for all"),
    ("enable-grpc-gateway", "true", "JSON over HTTP, below /v3/"),
];

/// Why the process cannot start.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FlagError {
    /// Not a flag, or a flag without its value.
    #[error("{0}")]
    Usage(String),
    /// A value that is not what the flag wants.
    #[error("invalid value {value:?} for flag --{flag}: expected {expected}")]
    Value { flag: &'static str, value: String, expected: String },
    /// As `Value`, from the environment: the value is not repeated.
    #[error("invalid value in environment variable {variable}: expected {expected}")]
    Variable { variable: String, expected: String },
    /// A flag and its variable are both given.
    #[error(
        "conflicting environment variable {variable} is shadowed by corresponding command-line flag \
         (either unset environment variable or disable flag)"
    )]
    Shadowed { variable: String },
    /// Values that do not go together.
    #[error("{0}")]
    Contradiction(String),
}

impl FlagError {
    /// The process's exit code.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            FlagError::Usage(_) | FlagError::Value { .. } => 2,
            FlagError::Variable { .. } | FlagError::Shadowed { .. } | FlagError::Contradiction(_) => 1,
        }
    }
}

/// The variable of a flag: `max-txn-ops` is `ETCD_MAX_TXN_OPS`.
pub(super) fn variable(flag: &str) -> String {
    format!("ETCD_{}", flag.to_ascii_uppercase().replace('-', "_"))
}

/// The flags and variables that were given.
pub(super) struct FlagValues {
    pub(super) values: BTreeMap<&'static str, String>,
    pub(super) on_command_line: Vec<&'static str>,
}

impl FlagValues {
    pub(super) fn text(&self, flag: &'static str) -> &str {
        let default = FLAGS.iter().find(|(name, ..)| *name == flag).map(|(_, default, _)| *default);
        self.values.get(flag).map_or_else(|| default.expect("a flag of FLAGS"), String::as_str)
    }

    pub(super) fn wrong(&self, flag: &'static str, expected: impl Into<String>) -> FlagError {
        let expected = expected.into();
        if self.on_command_line.contains(&flag) {
            FlagError::Value { flag, value: self.text(flag).to_owned(), expected }
        } else {
            FlagError::Variable { variable: variable(flag), expected }
        }
    }

    /// The names of a list, separated by commas.
    pub(super) fn list(&self, flag: &'static str) -> Vec<String> {
        self.text(flag).split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
    }

    /// As Go reads it.
    pub(super) fn boolean(&self, flag: &'static str) -> Result<bool, FlagError> {
        match self.text(flag) {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
            _ => Err(self.wrong(flag, "true or false")),
        }
    }

    pub(super) fn number<T: FromStr>(&self, flag: &'static str, expected: &str) -> Result<T, FlagError> {
        self.text(flag).parse().map_err(|_| self.wrong(flag, expected))
    }

    pub(super) fn positive<T: FromStr + Default + PartialEq>(
        &self,
        flag: &'static str,
        what: &str,
    ) -> Result<T, FlagError> {
        let number: T = self.number(flag, what)?;
        if number == T::default() { Err(self.wrong(flag, what)) } else { Ok(number) }
    }

    pub(super) fn urls(&self, flag: &'static str) -> Result<Vec<Url>, FlagError> {
        let parse = |text: &str| Url::parse(text.trim()).map_err(|expected| self.wrong(flag, expected));
        self.text(flag).split(',').map(parse).collect()
    }

    /// As `listen_urls`, of a flag that need not be given.
    pub(super) fn more_listen_urls(&self, flag: &'static str) -> Result<Vec<Url>, FlagError> {
        if self.text(flag).is_empty() { Ok(Vec::new()) } else { self.listen_urls(flag) }
    }

    /// URLs to bind: addresses, because a name may come to mean another interface tomorrow.
    pub(super) fn listen_urls(&self, flag: &'static str) -> Result<Vec<Url>, FlagError> {
        let urls = self.urls(flag)?;
        let is_address = |url: &Url| match url.host() {
            Some(host) => host == "localhost" || host.parse::<std::net::IpAddr>().is_ok(),
            None => true,
        };
        match urls.iter().find(|url| !is_address(url)) {
            Some(url) => {
                Err(FlagError::Contradiction(format!("--{flag}: expected IP in URL for binding ({url})")))
            }
            None => Ok(urls),
        }
    }

    pub(super) fn choice<T: Copy>(&self, flag: &'static str, choices: &[(&str, T)]) -> Result<T, FlagError> {
        let text = self.text(flag);
        let found = choices.iter().find(|(name, _)| *name == text).map(|(_, choice)| *choice);
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        found.ok_or_else(|| self.wrong(flag, format!("one of {}", names.join(", "))))
    }
}
