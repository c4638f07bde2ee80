//! One workload from connecting to the result.

use crate::Failure;
use crate::drive::{Operation, Pace, Tally, Window, drive};
use crate::keepalive::Keepalive;
use crate::keys::{Keys, Random};
use crate::kv::Kv;
use crate::options::{Options, Workload};
use crate::procs::{Usage, usage};
use crate::watch::{Watchers, fan_out};
use detcd::pb::kv_client::KvClient;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tonic::transport::{Channel, Endpoint};

/// Answers may be large: a list of many keys.
const MAX_ANSWER: usize = 1 << 30;

/// What a workload came to.
pub(crate) struct Outcome {
    pub(crate) tally: Tally,
    pub(crate) elapsed: Duration,
    /// The server's, before and after.
    pub(crate) server: (Usage, Usage),
    /// This program's own.
    pub(crate) client: (Usage, Usage),
}

/// Connects, warms up, measures.
pub(crate) async fn run(options: &Options, workload: Workload) -> Result<Outcome, Failure> {
    let channels = connect(options).await?;
    match workload {
        Workload::Watch => run_watch(options, &channels).await,
        Workload::Keepalive | Workload::KeepaliveBurst => {
            let leases = if workload == Workload::Keepalive { 1 } else { options.leases_per_stream };
            let mut clients = Vec::with_capacity(options.clients);
            for n in 0..options.clients {
                clients.push(Keepalive::open(channels[n % channels.len()].clone(), leases).await?);
            }
            run_clients(options, workload, clients).await
        }
        _ => {
            let keys = Keys::new(options);
            let filled = Arc::new(AtomicU64::new(0));
            // Another seed for every run, or a second run would read what the first has brought into caches.
            let seed = u64::from(std::process::id()) << 32;
            let client = |n: usize| Kv {
                workload,
                client: KvClient::new(channels[n % channels.len()].clone())
                    .max_decoding_message_size(MAX_ANSWER),
                keys: keys.clone(),
                random: Random::new(seed + n as u64),
                limit: options.limit,
                filled: filled.clone(),
            };
            run_clients(options, workload, (0..options.clients).map(client).collect()).await
        }
    }
}

async fn connect(options: &Options) -> Result<Vec<Channel>, Failure> {
    let mut channels = Vec::with_capacity(options.connections);
    for n in 0..options.connections {
        let url = &options.endpoints[n % options.endpoints.len()];
        let endpoint = Endpoint::from_shared(url.clone())?.tcp_nodelay(true);
        channels.push(endpoint.connect().await.map_err(|error| format!("{url}: {error}"))?);
    }
    Ok(channels)
}

fn window(options: &Options, workload: Workload) -> Window {
    let now = Instant::now();
    if workload == Workload::Fill {
        // Ends when everything is filled.
        return Window { start: now, end: now + Duration::from_secs(24 * 3_600) };
    }
    let start = now + options.warmup;
    Window { start, end: start + options.measured }
}

async fn run_clients<O: Operation>(
    options: &Options,
    workload: Workload,
    clients: Vec<O>,
) -> Result<Outcome, Failure> {
    let window = window(options, workload);
    let count = clients.len();
    let every = |n: usize| if options.rate > 0.0 { n as f64 / options.rate } else { 0.0 };
    let interval = Duration::from_secs_f64(every(count));
    let begin = Instant::now();
    let tasks = clients.into_iter().enumerate().map(|(n, client)| {
        // Clients take turns, so that the total comes evenly.
        let pace = Pace { first: begin + Duration::from_secs_f64(every(n)), interval };
        tokio::spawn(drive(client, pace, window))
    });
    let tasks: Vec<JoinHandle<Tally>> = tasks.collect();
    let all = async {
        let mut tally = Tally::default();
        for task in tasks {
            tally.merge(task.await?);
        }
        Ok(tally)
    };
    measure(options, window, workload == Workload::Fill, all).await
}

async fn run_watch(options: &Options, channels: &[Channel]) -> Result<Outcome, Failure> {
    let mut streams = Vec::new();
    let mut open = 0;
    while open < options.watchers {
        let count = options.watches_per_stream.min(options.watchers - open);
        streams.push(Watchers::open(channels[streams.len() % channels.len()].clone(), count).await?);
        open += count;
    }
    let window = window(options, Workload::Watch);
    let interval =
        if options.rate > 0.0 { Duration::from_secs_f64(1.0 / options.rate) } else { Duration::ZERO };
    let pace = Pace { first: Instant::now(), interval };
    let all = fan_out(channels[0].clone(), streams, options.value_size, pace, window);
    measure(options, window, false, all).await
}

/// Samples the processes when the window opens and when it closes (`to_the_end`: when all is done).
async fn measure(
    options: &Options,
    window: Window,
    to_the_end: bool,
    all: impl Future<Output = Result<Tally, Failure>>,
) -> Result<Outcome, Failure> {
    let own = [std::process::id()];
    let sample = || Ok::<_, Failure>((Instant::now(), usage(&options.pids)?, usage(&own)?));
    let sampled = async {
        tokio::time::sleep_until(window.start.into()).await;
        let before = sample()?;
        if to_the_end {
            return Ok((before, None));
        }
        tokio::time::sleep_until(window.end.into()).await;
        Ok::<_, Failure>((before, Some(sample()?)))
    };
    let (tally, samples) = tokio::join!(all, sampled);
    let (before, after) = samples?;
    let after = match after {
        Some(after) => after,
        None => sample()?,
    };
    Ok(Outcome {
        tally: tally?,
        elapsed: after.0 - before.0,
        server: (before.1, after.1),
        client: (before.2, after.2),
    })
}
