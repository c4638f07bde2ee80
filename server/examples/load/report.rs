//! One row, or one JSON object, per workload.

use crate::options::{Options, Workload};
use crate::run::Outcome;
use hdrhistogram::Histogram;

/// The figures of a row.
struct Figures {
    ops_per_s: f64,
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
    /// None without process ids.
    server: Option<ServerFigures>,
    client_us: f64,
}

struct ServerFigures {
    us_per_op: f64,
    bytes_per_op: f64,
    rss_mb: f64,
    anon_mb: f64,
}

fn figures(options: &Options, outcome: &Outcome) -> Figures {
    let mut histogram = Histogram::<u64>::new_with_bounds(1, u64::from(u32::MAX), 3)
        .expect("the bounds and precision are valid");
    for latency in &outcome.tally.latencies {
        histogram.saturating_record(u64::from(*latency).max(1));
    }
    let ms = |us: u64| us as f64 / 1_000.0;
    let completed = outcome.tally.completed.max(1) as f64;
    let (before, after) = outcome.server;
    let server = (!options.pids.is_empty()).then(|| ServerFigures {
        us_per_op: (after.cpu_us - before.cpu_us) as f64 / completed,
        bytes_per_op: (after.written - before.written) as f64 / completed,
        rss_mb: after.rss_kb as f64 / 1_024.0,
        anon_mb: after.anon_kb as f64 / 1_024.0,
    });
    Figures {
        ops_per_s: outcome.tally.completed as f64 / outcome.elapsed.as_secs_f64(),
        p50_ms: ms(histogram.value_at_quantile(0.5)),
        p99_ms: ms(histogram.value_at_quantile(0.99)),
        max_ms: ms(histogram.max()),
        server,
        client_us: (outcome.client.1.cpu_us - outcome.client.0.cpu_us) as f64 / completed,
    }
}

pub(crate) fn print_header() {
    println!(
        "{:<12} {:<10} {:>7} {:>6} {:>9} {:>9} {:>9} {:>9} {:>8} {:>12} {:>9} {:>8} {:>8} {:>7}",
        "server",
        "workload",
        "clients",
        "conns",
        "ops/s",
        "p50 ms",
        "p99 ms",
        "max ms",
        "us/op",
        "client us/op",
        "B/op",
        "rss MB",
        "anon MB",
        "errors"
    );
}

pub(crate) fn print_row(options: &Options, workload: Workload, outcome: &Outcome) {
    let f = figures(options, outcome);
    let none = || ["-".to_owned(), "-".to_owned(), "-".to_owned(), "-".to_owned()];
    let [us, bytes, rss, anon] = f.server.map_or_else(none, |s| {
        let us =
            if s.us_per_op < 1_000.0 { format!("{:.1}", s.us_per_op) } else { format!("{:.0}", s.us_per_op) };
        [us, format!("{:.0}", s.bytes_per_op), format!("{:.0}", s.rss_mb), format!("{:.0}", s.anon_mb)]
    });
    println!(
        "{:<12} {:<10} {:>7} {:>6} {:>9.0} {:>9.2} {:>9.2} {:>9.2} {:>8} {:>12.1} {:>9} {:>8} {:>8} {:>7}",
        options.label,
        workload.name(),
        if workload == Workload::Watch { options.watchers } else { options.clients },
        options.connections,
        f.ops_per_s,
        f.p50_ms,
        f.p99_ms,
        f.max_ms,
        us,
        f.client_us,
        bytes,
        rss,
        anon,
        outcome.tally.errors,
    );
}

pub(crate) fn print_json(options: &Options, workload: Workload, outcome: &Outcome) {
    let f = figures(options, outcome);
    let server = f.server.map_or_else(String::new, |s| {
        format!(
            r#","us_per_op":{:.3},"bytes_per_op":{:.0},"rss_mb":{:.1},"anon_mb":{:.1}"#,
            s.us_per_op, s.bytes_per_op, s.rss_mb, s.anon_mb
        )
    });
    println!(
        concat!(
            r#"{{"label":{:?},"workload":"{}","clients":{},"connections":{},"rate":{},"ops_per_s":{:.1},"#,
            r#""p50_ms":{:.3},"p99_ms":{:.3},"max_ms":{:.3},"client_us_per_op":{:.3},"errors":{}{}}}"#
        ),
        options.label,
        workload.name(),
        if workload == Workload::Watch { options.watchers } else { options.clients },
        options.connections,
        options.rate,
        f.ops_per_s,
        f.p50_ms,
        f.p99_ms,
        f.max_ms,
        f.client_us,
        outcome.tally.errors,
        server,
    );
}
