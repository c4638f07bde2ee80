//! What the flags say together: how a member is to run, each value read as etcd reads it.

use super::auth_settings::AuthSettings;
use super::duration;
use super::log_settings::{self, LogSettings};
use super::notice::Notice;
use super::problem::{Problem, Refusal};
use super::reading::Reading;
use super::rules;
use super::table::{self, Kind};
use super::tls_settings::{Access, SideTls};
use super::values::{Values, is_available};
use detcd::config::{InitialClusterState, ServerConfig};
use detcd::url::Url;
use detcd_engine::config::AutoCompaction;
use std::collections::{BTreeMap, BTreeSet};

/// etcd's quota where none is given.
pub(crate) const QUOTA_BYTES_DEFAULT: u64 = 2 * 1024 * 1024 * 1024;
/// etcd warns above this.
const QUOTA_BYTES_LARGE: u64 = 8 * 1024 * 1024 * 1024;

const PROGRESS_INTERVAL: &str = "watch-progress-notify-interval";
/// etcd takes this for anything less.
const PROGRESS_INTERVAL_MS_MIN: u64 = 100;

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
    /// How clients prove who they are.
    pub(crate) auth: AuthSettings,
    /// `--host-whitelist` and `--cors`.
    pub(crate) access: Access,
    /// `--max-concurrent-streams`, its 0 replaced by the most there can be.
    pub(crate) calls_max: u32,
    /// `--enable-grpc-gateway`.
    pub(crate) has_gateway: bool,
    /// `--metrics` is `extensive`.
    pub(crate) has_extensive_metrics: bool,
    /// The flags that were given, on the command line, as variables or in a file.
    pub(crate) flags_given: BTreeSet<&'static str>,
    /// What is logged, how and where.
    pub(crate) log: LogSettings,
    /// To be logged once logs can be.
    pub(crate) notices: Vec<Notice>,
}

/// How to run by these values, or everything that keeps them from being run by.
pub(super) fn settings(values: &Values) -> Result<Settings, Refusal> {
    let mut reading = Reading { values, problems: values.check_forms() };
    let server = reading.server();
    let listen_client_http_urls = reading.more_urls("listen-client-http-urls");
    let listen_metrics_urls = reading.more_urls("listen-metrics-urls");
    let for_clients = [&server.listen_client_urls, &listen_client_http_urls, &listen_metrics_urls]
        .map(Vec::as_slice)
        .concat();
    let client_tls = reading.client_tls(&for_clients);
    let peer_tls = reading.peer_tls(&server.listen_peer_urls);
    let access = reading.access();
    let auth = reading.auth();
    let self_signed_years = u32::try_from(values.number("self-signed-cert-validity")).unwrap_or(u32::MAX);
    if self_signed_years == 0 && (client_tls.is_automatic || peer_tls.is_automatic) {
        reading.contradiction("selfSignedCertValidity is invalid,it should be greater than 0");
    }
    let log = log_settings::read(&mut reading);
    reading.unavailable();
    rules::check(&mut reading, &server);
    let mut notices = reading.notices();
    for (side, tls, urls) in
        [("client", &client_tls, &for_clients), ("peer", &peer_tls, &server.listen_peer_urls)]
    {
        if tls.settings.certificate.is_some() && !urls.iter().any(|url| url.is_tls) {
            notices.push(Notice::UnusedCertificate(side));
        }
    }
    let quota = server.quota_bytes;
    notices.extend((quota > QUOTA_BYTES_LARGE && quota != u64::MAX).then_some(Notice::LargeQuota(quota)));
    let progress_ms = duration::parse_ms(values.text(PROGRESS_INTERVAL)).unwrap_or_default();
    notices.extend(
        (1..PROGRESS_INTERVAL_MS_MIN).contains(&progress_ms).then_some(Notice::ProgressIntervalRaised),
    );
    if !reading.problems.is_empty() {
        return Err(Refusal { notices, ..Refusal::new(reading.problems) });
    }
    Ok(Settings {
        server,
        listen_client_http_urls,
        listen_metrics_urls,
        client_tls,
        peer_tls,
        self_signed_years,
        auth,
        access,
        calls_max: match u32::try_from(values.number("max-concurrent-streams")) {
            Ok(0) | Err(_) => u32::MAX,
            Ok(calls) => calls,
        },
        has_gateway: values.boolean("enable-grpc-gateway"),
        has_extensive_metrics: values.text("metrics") == "extensive",
        flags_given: values.flags.keys().copied().collect(),
        log,
        notices,
    })
}

impl Reading<'_> {
    fn server(&mut self) -> ServerConfig {
        let values = self.values;
        let name = values.text("name").to_owned();
        let initial_advertise_peer_urls =
            self.urls("initial-advertise-peer-urls", rules::advertised_peer_url);
        let initial_cluster = self.initial_cluster(&name, &initial_advertise_peer_urls);
        let is_new = values.text("initial-cluster-state") != "existing";
        let number = |flag| u64::try_from(values.number(flag)).expect("its form has no less");
        let size = |flag| usize::try_from(values.number(flag)).expect("its form fits");
        ServerConfig {
            data_dir: data_dir(values).into(),
            listen_client_urls: self.urls("listen-client-urls", rules::bound_url),
            advertise_client_urls: self.urls("advertise-client-urls", rules::advertised_client_url),
            listen_peer_urls: self.urls("listen-peer-urls", rules::bound_url),
            initial_advertise_peer_urls,
            initial_cluster,
            initial_cluster_state: if is_new {
                InitialClusterState::New
            } else {
                InitialClusterState::Existing
            },
            initial_cluster_token: values.text("initial-cluster-token").to_owned(),
            heartbeat_interval_ms: number("heartbeat-interval"),
            election_timeout_ms: number("election-timeout"),
            snapshot_commands_min: number("snapshot-count"),
            request_bytes_max: size("max-request-bytes"),
            txn_ops_max: size("max-txn-ops"),
            auto_compaction: self.auto_compaction(),
            quota_bytes: match u64::try_from(values.number("quota-backend-bytes")) {
                Ok(0) => QUOTA_BYTES_DEFAULT,
                Ok(bytes) => bytes,
                Err(_) => u64::MAX,
            },
            watch_progress_interval_ms: self.progress_interval_ms(),
            name,
        }
    }

    /// URLs to listen on, of a flag that need not be given.
    fn more_urls(&mut self, flag: &'static str) -> Vec<Url> {
        if self.values.text(flag).is_empty() { Vec::new() } else { self.urls(flag, rules::bound_url) }
    }

    /// `name=url`, comma-separated; a name may come again with another URL.
    fn initial_cluster(&mut self, name: &str, advertised: &[Url]) -> BTreeMap<String, Vec<Url>> {
        let flag = "initial-cluster";
        let text = self.values.text(flag);
        if text.is_empty() {
            return BTreeMap::from([(name.to_owned(), advertised.to_vec())]);
        }
        let mut members: BTreeMap<String, BTreeSet<Url>> = BTreeMap::new();
        for pair in text.split(',') {
            let Some((name, url)) = pair.trim().split_once('=').filter(|(name, _)| !name.is_empty()) else {
                self.misread(flag, "name=http://host:port, comma-separated");
                break;
            };
            match Url::parse(url) {
                // The same again is one, as in etcd.
                Ok(url) => _ = members.entry(name.to_owned()).or_default().insert(url),
                Err(expected) => {
                    self.misread(flag, &format!("name=URL with {expected}"));
                    break;
                }
            }
        }
        members.into_iter().map(|(name, urls)| (name, urls.into_iter().collect())).collect()
    }

    fn auto_compaction(&mut self) -> AutoCompaction {
        let flag = "auto-compaction-retention";
        let text = self.values.text(flag);
        if self.values.text("auto-compaction-mode") == "revision" {
            return match text.parse::<i64>() {
                Ok(0) => AutoCompaction::Off,
                Ok(revisions) if revisions > 0 => AutoCompaction::Revisions(revisions),
                _ => {
                    self.misread(
                        flag,
                        "a number of revisions, 0 or more (--auto-compaction-mode is revision)",
                    );
                    AutoCompaction::Off
                }
            };
        }
        let ms = match text.parse::<u64>() {
            Ok(hours) => hours.checked_mul(3_600_000),
            Err(_) => duration::parse_ms(text),
        };
        match ms {
            Some(0) => AutoCompaction::Off,
            Some(ms) => AutoCompaction::PeriodMs(ms),
            None => {
                self.misread(flag, "hours, or a duration such as 5m or 72h, not negative");
                AutoCompaction::Off
            }
        }
    }

    /// 0 is the default, as in etcd.
    fn progress_interval_ms(&self) -> u64 {
        let flag = table::find(PROGRESS_INTERVAL).expect("a flag of the table");
        match duration::parse_ms(self.values.text(flag.name)) {
            Some(ms) if ms > 0 => ms.max(PROGRESS_INTERVAL_MS_MIN),
            _ => duration::parse_ms(flag.default).expect("the default is a duration"),
        }
    }

    /// What is asked for and not there.
    fn unavailable(&mut self) {
        for (name, given) in &self.values.flags {
            let flag = table::find(name).expect("a flag of the table");
            if let Kind::NotBuilt { what, .. } = flag.kind
                && flag.form.check(&given.text).is_ok()
                && !is_available(flag, &given.text)
            {
                let text = format!("{}: {what} is not available in this release", given.named());
                self.problems.push(Problem::setting(text));
            }
        }
    }

    fn notices(&self) -> Vec<Notice> {
        let mut notices: Vec<Notice> =
            self.values.ignored.iter().cloned().map(Notice::NoLongerSupported).collect();
        for (name, given) in &self.values.flags {
            let flag = table::find(name).expect("a flag of the table");
            notices.extend(rules::deprecation(given, &format!("--{name}")).map(Notice::Deprecated));
            if let Kind::MeansNothing(why) = flag.kind
                && !flag.form.is_same(&given.text, flag.default)
            {
                notices.push(Notice::MeansNothing { name: given.named(), why });
            }
        }
        for (gate, given) in &self.values.gates {
            let instead = format!("--feature-gates={gate}=true");
            notices.extend(rules::deprecation(given, &instead).map(Notice::Deprecated));
        }
        for (gate, (on, given)) in self.values.gates_set().unwrap_or_default() {
            let gate = super::gates::find(gate);
            if let Kind::MeansNothing(why) = gate.kind
                && on != gate.default
            {
                let name = format!("{} ({}={on})", given.named(), gate.name);
                notices.push(Notice::MeansNothing { name, why });
            }
        }
        notices
    }
}

/// `--data-dir`, or what it is where it is empty.
pub(super) fn data_dir(values: &Values) -> String {
    match values.text("data-dir") {
        "" => format!("{}.etcd", values.text("name")),
        data_dir => data_dir.to_owned(),
    }
}
