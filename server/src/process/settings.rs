//! What the flags say together: how a member is to run, each value read as etcd reads it.

use super::door::Side;
use super::duration;
use super::flag_values::{FlagError, FlagValues};
use super::http::Access;
use super::tls_flags::SideTls;
use detcd::config::{InitialClusterState, ServerConfig};
use detcd::url::Url;
use detcd_engine::config::AutoCompaction;
use std::collections::{BTreeMap, BTreeSet};
use tracing::level_filters::LevelFilter;

/// etcd's quota where none is given.
pub(super) const QUOTA_BYTES_DEFAULT: u64 = 2 * 1024 * 1024 * 1024;
/// etcd warns above this.
const QUOTA_BYTES_LARGE: u64 = 8 * 1024 * 1024 * 1024;
/// etcd refuses longer elections.
const ELECTION_TIMEOUT_MS_MAX: u64 = 50_000;

/// How to run.
#[derive(Debug, PartialEq)]
pub(crate) struct Settings {
    /// The member.
    pub(crate) server: ServerConfig,
    /// `--listen-client-http-urls`: empty where clients' URLs serve HTTP too.
    pub(crate) listen_client_http_urls: Vec<Url>,
    /// `--listen-metrics-urls`.
    pub(crate) listen_metrics_urls: Vec<Url>,
    /// TLS with clients.
    pub(crate) client_tls: SideTls,
    /// TLS with other members.
    pub(crate) peer_tls: SideTls,
    /// `--self-signed-cert-validity`, in years.
    pub(crate) self_signed_years: u32,
    /// `--host-whitelist` and `--cors`.
    pub(crate) access: Access,
    /// `--enable-grpc-gateway`.
    pub(crate) has_gateway: bool,
    /// The flags that were given, on the command line or as variables.
    pub(crate) flags_given: BTreeSet<&'static str>,
    /// The least level that is logged.
    pub(crate) log_level: LevelFilter,
    /// To be logged once logs can be.
    pub(crate) warnings: Vec<Warning>,
}

/// Something to tell the operator that stops nothing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Warning {
    /// An `ETCD_*` variable that is no flag's.
    UnknownVariable(String),
    /// A quota larger than etcd recommends.
    LargeQuota(u64),
    /// Certificates for clients, or for other members, that no URL uses.
    UnusedCertificate(Side),
}

impl FlagValues {
    /// All flags together.
    pub(super) fn settings(&self) -> Result<Settings, FlagError> {
        let name = self.text("name").to_owned();
        let data_dir = match self.text("data-dir") {
            "" => format!("{name}.etcd"),
            data_dir => data_dir.to_owned(),
        };
        let initial_advertise_peer_urls = self.urls("initial-advertise-peer-urls")?;
        let initial_cluster = self.initial_cluster(&name, &initial_advertise_peer_urls)?;
        let states = [("new", InitialClusterState::New), ("existing", InitialClusterState::Existing)];
        let milliseconds = "a number of milliseconds above 0";
        let server = ServerConfig {
            data_dir: data_dir.into(),
            listen_client_urls: self.listen_urls("listen-client-urls")?,
            advertise_client_urls: self.urls("advertise-client-urls")?,
            listen_peer_urls: self.listen_urls("listen-peer-urls")?,
            initial_advertise_peer_urls,
            initial_cluster,
            initial_cluster_state: self.choice("initial-cluster-state", &states)?,
            initial_cluster_token: self.text("initial-cluster-token").to_owned(),
            heartbeat_interval_ms: self.positive("heartbeat-interval", milliseconds)?,
            election_timeout_ms: self.positive("election-timeout", milliseconds)?,
            snapshot_commands_min: self.number("snapshot-count", "a number of commands, 0 or more")?,
            request_bytes_max: self
                .positive::<u32>("max-request-bytes", "a number of bytes above 0 and below 4 GiB")?
                as usize,
            txn_ops_max: self.positive::<u32>("max-txn-ops", "a number of operations above 0")? as usize,
            auto_compaction: self.auto_compaction()?,
            quota_bytes: self.quota_bytes()?,
            watch_progress_interval_ms: self.progress_interval_ms()?,
            name,
        };
        self.accepted_only()?;
        self.contradictions(&server)?;
        let listen_client_http_urls = self.more_listen_urls("listen-client-http-urls")?;
        let listen_metrics_urls = self.more_listen_urls("listen-metrics-urls")?;
        let (client_tls, peer_tls) = (self.client_tls()?, self.peer_tls()?);
        let for_clients =
            [&server.listen_client_urls, &listen_client_http_urls, &listen_metrics_urls].map(Vec::as_slice);
        let mut warnings = Vec::new();
        if !client_tls.is_used(&for_clients.concat())? {
            warnings.push(Warning::UnusedCertificate(Side::Client));
        }
        if !peer_tls.is_used(&server.listen_peer_urls)? {
            warnings.push(Warning::UnusedCertificate(Side::Peer));
        }
        let quota = server.quota_bytes;
        let large = (quota > QUOTA_BYTES_LARGE && quota != u64::MAX).then_some(Warning::LargeQuota(quota));
        warnings.extend(large);
        let flags_given = self.values.keys().copied().collect();
        Ok(Settings {
            server,
            flags_given,
            log_level: self.log_level()?,
            listen_client_http_urls,
            listen_metrics_urls,
            client_tls,
            peer_tls,
            self_signed_years: self.positive("self-signed-cert-validity", "a number of years above 0")?,
            access: self.access(),
            has_gateway: self.boolean("enable-grpc-gateway")?,
            warnings,
        })
    }

    /// `name=url`, comma-separated; a name may come again with another URL.
    fn initial_cluster(
        &self,
        name: &str,
        advertised: &[Url],
    ) -> Result<BTreeMap<String, Vec<Url>>, FlagError> {
        let flag = "initial-cluster";
        if self.text(flag).is_empty() {
            return Ok(BTreeMap::from([(name.to_owned(), advertised.to_vec())]));
        }
        let mut members: BTreeMap<String, Vec<Url>> = BTreeMap::new();
        for pair in self.text(flag).split(',') {
            let Some((name, url)) = pair.trim().split_once('=').filter(|(name, _)| !name.is_empty()) else {
                return Err(self.wrong(flag, "name=http://host:port, comma-separated"));
            };
            let url =
                Url::parse(url).map_err(|expected| self.wrong(flag, format!("name=URL with {expected}")))?;
            members.entry(name.to_owned()).or_default().push(url);
        }
        Ok(members)
    }

    fn auto_compaction(&self) -> Result<AutoCompaction, FlagError> {
        let flag = "auto-compaction-retention";
        let periodic = self.choice("auto-compaction-mode", &[("periodic", true), ("revision", false)])?;
        let text = self.text(flag);
        if !periodic {
            return match text.parse::<i64>() {
                Ok(0) => Ok(AutoCompaction::Off),
                Ok(revisions) if revisions > 0 => Ok(AutoCompaction::Revisions(revisions)),
                _ => {
                    Err(self
                        .wrong(flag, "a number of revisions, 0 or more (--auto-compaction-mode is revision)"))
                }
            };
        }
        let ms = match text.parse::<u64>() {
            Ok(hours) => hours.checked_mul(3_600_000),
            Err(_) => duration::parse_ms(text),
        };
        match ms {
            Some(0) => Ok(AutoCompaction::Off),
            Some(ms) => Ok(AutoCompaction::PeriodMs(ms)),
            None => Err(self.wrong(flag, "hours, or a duration such as 5m or 72h, not negative")),
        }
    }

    fn quota_bytes(&self) -> Result<u64, FlagError> {
        let bytes: i64 =
            self.number("quota-backend-bytes", "a number of bytes, 0 for the default of 2 GiB")?;
        Ok(match u64::try_from(bytes) {
            Ok(0) => QUOTA_BYTES_DEFAULT,
            Ok(bytes) => bytes,
            Err(_) => u64::MAX,
        })
    }

    fn progress_interval_ms(&self) -> Result<u64, FlagError> {
        let flag = "watch-progress-notify-interval";
        let expected = "a duration of 100ms or more, such as 10m";
        match duration::parse_ms(self.text(flag)) {
            Some(ms) if ms >= 100 => Ok(ms),
            _ => Err(self.wrong(flag, expected)),
        }
    }

    /// There is nothing above an error here: what ends the process is logged as one.
    fn log_level(&self) -> Result<LevelFilter, FlagError> {
        let levels = [
            ("debug", LevelFilter::DEBUG),
            ("info", LevelFilter::INFO),
            ("warn", LevelFilter::WARN),
            ("error", LevelFilter::ERROR),
            ("panic", LevelFilter::ERROR),
            ("fatal", LevelFilter::ERROR),
        ];
        self.choice("log-level", &levels)
    }

    /// Flags that are accepted with the one meaning they can have here.
    fn accepted_only(&self) -> Result<(), FlagError> {
        self.choice("logger", &[("zap", ())])?;
        self.choice("log-outputs", &[("default", ()), ("stderr", ())])
    }

    fn contradictions(&self, server: &ServerConfig) -> Result<(), FlagError> {
        let ServerConfig { heartbeat_interval_ms: heartbeat, election_timeout_ms: election, .. } = *server;
        let wrong = |text: String| Err(FlagError::Contradiction(text));
        if heartbeat.saturating_mul(5) > election {
            return wrong(format!(
                "--election-timeout[{election}ms] should be at least as 5 times as --heartbeat-interval[{heartbeat}ms]"
            ));
        }
        if election > ELECTION_TIMEOUT_MS_MAX {
            return wrong(format!(
                "--election-timeout[{election}ms] is too long, and should be set less than {ELECTION_TIMEOUT_MS_MAX}ms"
            ));
        }
        if self.values.contains_key("listen-client-urls")
            && !self.values.contains_key("advertise-client-urls")
        {
            return wrong(
                "--advertise-client-urls is required when --listen-client-urls is set explicitly".to_owned(),
            );
        }
        Ok(())
    }
}
