//! What a member tells of itself.

use super::{Flag, Form, means_nothing, not_built, works};

const TRACING_OTEL: &str = "distributed tracing";

pub(super) const MONITORING: &[Flag] = &[
    not_built(
        "enable-pprof",
        Form::Boolean,
        "false",
        "Serve profiles under /debug/pprof/ of the client port",
        "profiling over HTTP",
    ),
    works(
        "metrics",
        Form::Choice(&["basic", "extensive"]),
        "basic",
        "Which metrics there are; extensive has histograms of calls",
    ),
    works("listen-metrics-urls", Form::Urls, "", "URLs to listen on for health checks and metrics alone"),
];

pub(super) const LOGGING: &[Flag] = &[
    works("logger", Form::Text, "zap", "Whose log lines to imitate: zap's"),
    works(
        "log-outputs",
        Form::List,
        "default",
        "Where log lines go: default (stderr), stderr, stdout, paths of files",
    ),
    works(
        "log-level",
        Form::Choice(&["debug", "info", "warn", "error", "panic", "fatal"]),
        "info",
        "The least level that is logged; panic and fatal are logged as error",
    ),
    works("log-format", Form::Text, "json", "How lines are written: json, or console with tabs in between"),
    works(
        "enable-log-rotation",
        Form::Boolean,
        "false",
        "Set the file of --log-outputs aside when it has grown large",
    ),
    works(
        "log-rotation-config-json",
        Form::Text,
        "{\"maxsize\": 100, \"maxage\": 0, \"maxbackups\": 0, \"localtime\": false, \"compress\": false}",
        "When: maxsize (MiB); what is kept of it: maxage (days), maxbackups (files), 0 is any; \
         localtime (not available); compress (gzip)",
    ),
    means_nothing(
        "warning-unary-request-duration",
        Form::Duration,
        "300ms",
        "Time above which a call that took longer is logged",
        "calls that take long are not logged yet",
    ),
];

pub(super) const TRACING: &[Flag] = &[
    not_built(
        "enable-distributed-tracing",
        Form::Boolean,
        "false",
        "Send spans to a collector",
        TRACING_OTEL,
    ),
    not_built(
        "distributed-tracing-address",
        Form::Text,
        "localhost:4317",
        "The collector's address",
        TRACING_OTEL,
    ),
    not_built(
        "distributed-tracing-service-name",
        Form::Text,
        "etcd",
        "Name of the service in spans",
        TRACING_OTEL,
    ),
    not_built(
        "distributed-tracing-instance-id",
        Form::Text,
        "",
        "Name of this member in spans",
        TRACING_OTEL,
    ),
    not_built(
        "distributed-tracing-sampling-rate",
        Form::Number { of: "spans per million", min: i64::MIN as i128, max: i64::MAX as i128 },
        "0",
        "How many spans of a million are sent",
        TRACING_OTEL,
    ),
];
