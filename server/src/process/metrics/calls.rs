//! Calls of gRPC, counted as grpc-go's interceptors count them: by method, and those that ended by their code. All of it
//! is there from the start, at zero: alerts divide one by the other.

use detcd::metrics::Names;
use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Registry};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Instant;
use tonic::Code;

/// Codes by their numbers, in grpc-go's names.
const CODES: [&str; 17] = [
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
];

/// Versions that clients call themselves, each counted apart: a client that makes up ever new ones is counted among
/// those that name none.
const CLIENT_VERSIONS_MAX: usize = 64;
const CLIENT_VERSION_BYTES_MAX: usize = 32;
const UNKNOWN_VERSION: &str = "unknown";

/// What all methods count together, and where each registers.
#[derive(Debug)]
pub(crate) struct CallMetrics {
    started: IntCounterVec,
    handled: IntCounterVec,
    received: IntCounterVec,
    sent: IntCounterVec,
    /// `--metrics=extensive`.
    handling: Option<HistogramVec>,
    received_bytes: IntCounter,
    sent_bytes: IntCounter,
    by_client: IntCounterVec,
    client_versions: RwLock<BTreeSet<String>>,
}

/// The figures of one method.
#[derive(Debug)]
pub(crate) struct MethodMetrics {
    all: Arc<CallMetrics>,
    kind: &'static str,
    started: IntCounter,
    handled: [IntCounter; CODES.len()],
    received: IntCounter,
    sent: IntCounter,
    handling: Option<Histogram>,
}

/// One call, from its head to its end. One that is dropped before it has ended was cancelled.
#[derive(Debug)]
pub(crate) struct Call {
    method: Arc<MethodMetrics>,
    began: Option<Instant>,
    has_ended: AtomicBool,
}

impl CallMetrics {
    /// `is_extensive`: how long calls take, too.
    pub(crate) fn new(registry: &Registry, is_extensive: bool) -> Arc<CallMetrics> {
        let names = Names(registry);
        let labels = ["grpc_type", "grpc_service", "grpc_method"];
        let with_code = ["grpc_type", "grpc_service", "grpc_method", "grpc_code"];
        let handling = || {
            let options =
                HistogramOpts::new("grpc_server_handling_seconds", "How long calls took, to their end.");
            let made = HistogramVec::new(options, &labels).expect("a name and labels that are well formed");
            registry.register(Box::new(made.clone())).expect("no name is registered twice");
            made
        };
        Arc::new(CallMetrics {
            started: names.counters("grpc_server_started_total", "Calls that were begun.", &labels),
            handled: names.counters(
                "grpc_server_handled_total",
                "Calls that have ended, by their code.",
                &with_code,
            ),
            received: names.counters(
                "grpc_server_msg_received_total",
                "Messages received from clients.",
                &labels,
            ),
            sent: names.counters("grpc_server_msg_sent_total", "Messages sent to clients.", &labels),
            handling: is_extensive.then(handling),
            received_bytes: names.counter(
                "etcd_network_client_grpc_received_bytes_total",
                "Bytes of messages received from clients.",
            ),
            sent_bytes: names
                .counter("etcd_network_client_grpc_sent_bytes_total", "Bytes of messages sent to clients."),
            by_client: names.counters(
                "etcd_server_client_requests_total",
                "Calls by the version that the client says it is of.",
                &["type", "client_api_version"],
            ),
            client_versions: RwLock::default(),
        })
    }

    /// The figures of a method. `kind` is grpc-go's word for who sends a stream.
    pub(crate) fn method(
        self: &Arc<CallMetrics>,
        kind: &'static str,
        service: &str,
        name: &str,
    ) -> Arc<MethodMetrics> {
        let labels = [kind, service, name];
        Arc::new(MethodMetrics {
            all: Arc::clone(self),
            kind: if kind == "unary" { "unary" } else { "stream" },
            started: self.started.with_label_values(&labels),
            handled: CODES.map(|code| self.handled.with_label_values(&[kind, service, name, code])),
            received: self.received.with_label_values(&labels),
            sent: self.sent.with_label_values(&labels),
            handling: self.handling.as_ref().map(|all| all.with_label_values(&labels)),
        })
    }

    fn count_client(&self, kind: &str, told: Option<&str>) {
        let version = told.filter(|version| self.is_counted(version)).unwrap_or(UNKNOWN_VERSION);
        self.by_client.with_label_values(&[kind, version]).inc();
    }

    /// Whether a version is counted apart: it is known, or there is room for it.
    fn is_counted(&self, version: &str) -> bool {
        let locked = "no panic while it is held";
        if self.client_versions.read().expect(locked).contains(version) {
            return true;
        }
        let is_version_byte = |byte: u8| byte.is_ascii_alphanumeric() || b".-+".contains(&byte);
        if version.is_empty()
            || version.len() > CLIENT_VERSION_BYTES_MAX
            || !version.bytes().all(is_version_byte)
        {
            return false;
        }
        let mut versions = self.client_versions.write().expect(locked);
        let has_room = versions.len() < CLIENT_VERSIONS_MAX || versions.contains(version);
        if has_room {
            versions.insert(version.to_owned());
        }
        has_room
    }
}

impl MethodMetrics {
    /// A call has begun, of a client that says so of its version.
    pub(crate) fn begin(self: &Arc<MethodMetrics>, client_version: Option<&str>) -> Arc<Call> {
        self.started.inc();
        self.all.count_client(self.kind, client_version);
        let began = self.handling.as_ref().map(|_| Instant::now());
        Arc::new(Call { method: Arc::clone(self), began, has_ended: AtomicBool::new(false) })
    }
}

impl Call {
    /// A message of so many bytes came.
    pub(crate) fn received(&self, bytes: usize) {
        self.method.received.inc();
        self.method.all.received_bytes.inc_by(bytes as u64);
    }

    /// So many messages, of so many bytes together, were given to the client.
    pub(crate) fn sent(&self, messages: u64, bytes: usize) {
        self.method.sent.inc_by(messages);
        self.method.all.sent_bytes.inc_by(bytes as u64);
    }

    /// The call has ended. Only the first end counts.
    pub(crate) fn ended(&self, code: Code) {
        if self.has_ended.swap(true, Ordering::Relaxed) {
            return;
        }
        self.method.handled[code as usize].inc();
        if let (Some(handling), Some(began)) = (&self.method.handling, self.began) {
            handling.observe(began.elapsed().as_secs_f64());
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.ended(Code::Cancelled);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus::TextEncoder;

    fn lines(registry: &Registry, with: &str) -> Vec<String> {
        let text = TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        text.lines().filter(|line| line.contains(with) && !line.starts_with('#')).map(str::to_owned).collect()
    }

    #[test]
    fn a_call_is_counted_once_by_how_it_ends() {
        let registry = Registry::new();
        let method = CallMetrics::new(&registry, true).method("unary", "etcdserverpb.KV", "Range");
        assert_eq!(lines(&registry, "grpc_server_handled_total").len(), CODES.len(), "all at zero");
        let answered = method.begin(None);
        answered.received(3);
        answered.sent(1, 20);
        answered.ended(Code::Ok);
        drop(answered);
        drop(method.begin(None));
        let refused = method.begin(None);
        refused.ended(Code::Unavailable);
        refused.ended(Code::Ok);
        drop(refused);
        let counted: Vec<String> =
            lines(&registry, "").into_iter().filter(|line| !line.ends_with(" 0")).collect();
        let counted: Vec<&String> =
            counted.iter().filter(|line| !line.contains("handling_seconds_")).collect();
        let labels = r#"grpc_method="Range",grpc_service="etcdserverpb.KV",grpc_type="unary""#;
        let handled = |code| format!(r#"grpc_server_handled_total{{grpc_code="{code}",{labels}}} 1"#);
        let mut expected = vec![
            "etcd_network_client_grpc_received_bytes_total 3".to_owned(),
            "etcd_network_client_grpc_sent_bytes_total 20".to_owned(),
            r#"etcd_server_client_requests_total{client_api_version="unknown",type="unary"} 3"#.to_owned(),
        ];
        expected.extend(["Canceled", "OK", "Unavailable"].map(handled));
        expected.extend(
            [("msg_received", 1), ("msg_sent", 1), ("started", 3)]
                .map(|(what, count)| format!("grpc_server_{what}_total{{{labels}}} {count}")),
        );
        assert_eq!(counted, expected.iter().collect::<Vec<_>>());
    }

    #[test]
    fn a_client_that_makes_up_versions_fills_no_memory() {
        let registry = Registry::new();
        let method = CallMetrics::new(&registry, false).method("bidi_stream", "s", "m");
        let names = (0..1000).map(|number| format!("3.{number}.0"));
        for version in names.chain(["".to_owned(), "a b".to_owned(), "9".repeat(100), "3.7.0".to_owned()]) {
            method.begin(Some(&version));
        }
        let lines = lines(&registry, "client_requests_total");
        assert_eq!(lines.len(), CLIENT_VERSIONS_MAX + 1);
        let known = r#"etcd_server_client_requests_total{client_api_version="3.7.0",type="stream"} 2"#;
        let unknown = r#"etcd_server_client_requests_total{client_api_version="unknown",type="stream"} 939"#;
        assert!(
            lines.iter().any(|line| line == known) && lines.iter().any(|line| line == unknown),
            "{lines:?}"
        );
    }
}
