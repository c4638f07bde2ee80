//! Loads any etcd v3 endpoint and says what one operation costs.
//!
//! Closed loop (the default): every client sends its next request when it has the answer to the last one; this finds
//! the best throughput. Fixed rate (`--rate`): requests are due at fixed times whatever the server does, and a request
//! that had to wait for a slow predecessor is timed from when it was due, so a stall shows in p99 as it would for real
//! users. Each workload warms up, then is measured for `--seconds`. Throughput and latency depend on the machine and
//! on this program, which shares it with the server; the server's CPU and bytes per operation (`--pids`) do not.

mod drive;
mod keepalive;
mod keys;
mod kv;
mod options;
mod procs;
mod report;
mod run;
mod watch;

use options::Options;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let options = Options::parse();
    if !options.json {
        report::print_header();
    }
    let mut failed = 0;
    for workload in &options.workloads {
        let result = run::run(&options, *workload).await?;
        if options.json {
            report::print_json(&options, *workload, &result);
        } else {
            report::print_row(&options, *workload, &result);
        }
        if let Some(error) = &result.tally.first_error {
            eprintln!("{} of {} operations failed; the first: {error}", result.tally.errors, workload.name());
        }
        failed += result.tally.errors;
    }
    if failed > 0 {
        return Err(format!("{failed} operations failed").into());
    }
    Ok(())
}
