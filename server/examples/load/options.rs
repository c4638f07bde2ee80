//! What the command line says.

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::time::Duration;

/// What the clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Workload {
    /// Puts every key of the key space once.
    Fill,
    /// Puts random keys.
    Put,
    /// Gets random keys, linearizable.
    Get,
    /// Gets random keys from whatever the member has.
    SerializableGet,
    /// Transactions of one put, no compare.
    Txn,
    /// Ranges from a random key with a limit.
    List,
    /// Counts all keys.
    Count,
    /// One writer and many watchers of its key; an operation is an event received.
    Watch,
    /// Lease renewals, one stream and one lease per client.
    Keepalive,
    /// Lease renewals, one stream and many leases per client, sent without waiting.
    KeepaliveBurst,
}

const ALL: [(&str, Workload); 10] = [
    ("fill", Workload::Fill),
    ("put", Workload::Put),
    ("get", Workload::Get),
    ("sget", Workload::SerializableGet),
    ("txn", Workload::Txn),
    ("list", Workload::List),
    ("count", Workload::Count),
    ("watch", Workload::Watch),
    ("keepalive", Workload::Keepalive),
    ("keepalive-burst", Workload::KeepaliveBurst),
];

impl Workload {
    pub(crate) fn name(self) -> &'static str {
        ALL.iter().find(|(_, workload)| *workload == self).expect("ALL lists every workload").0
    }
}

/// The command line, checked.
pub(crate) struct Options {
    pub(crate) workloads: Vec<Workload>,
    pub(crate) endpoints: Vec<String>,
    pub(crate) clients: usize,
    pub(crate) connections: usize,
    pub(crate) keys: u64,
    /// Bytes.
    pub(crate) key_size: usize,
    /// Bytes.
    pub(crate) value_size: usize,
    /// Keys that one list asks for.
    pub(crate) limit: i64,
    pub(crate) watchers: usize,
    pub(crate) watches_per_stream: usize,
    pub(crate) leases_per_stream: usize,
    /// Operations (for watch: puts) per second of all clients together; 0 is the closed loop.
    pub(crate) rate: f64,
    pub(crate) warmup: Duration,
    pub(crate) measured: Duration,
    /// The server's processes.
    pub(crate) pids: Vec<u32>,
    pub(crate) label: String,
    pub(crate) json: bool,
}

impl Options {
    /// Reads the command line; ends the process with a message if it does not parse.
    pub(crate) fn parse() -> Options {
        let m = command().get_matches();
        let workloads = all_of::<String>(&m, "workload")
            .iter()
            .map(|name| ALL.iter().find(|(known, _)| known == name).expect("clap accepts only these names").1)
            .collect();
        let clients = one_of::<usize>(&m, "clients").max(1);
        Options {
            workloads,
            endpoints: all_of(&m, "endpoints"),
            clients,
            connections: one_of::<usize>(&m, "connections").clamp(1, clients),
            keys: one_of::<u64>(&m, "keys").max(1),
            key_size: one_of(&m, "key-size"),
            value_size: one_of(&m, "value-size"),
            limit: one_of(&m, "limit"),
            watchers: one_of::<usize>(&m, "watchers").max(1),
            watches_per_stream: one_of::<usize>(&m, "watches-per-stream").max(1),
            leases_per_stream: one_of::<usize>(&m, "leases-per-stream").max(1),
            rate: one_of(&m, "rate"),
            warmup: Duration::from_secs_f64(one_of(&m, "warmup")),
            measured: Duration::from_secs_f64(one_of(&m, "seconds")),
            pids: all_of(&m, "pids"),
            label: one_of(&m, "label"),
            json: m.get_flag("json"),
        }
    }
}

fn command() -> Command {
    Command::new("load")
        .about("Loads an etcd v3 endpoint: throughput, latency and, given process ids, what an operation costs it.")
        .after_help(AFTER)
        .arg(
            Arg::new("workload")
                .num_args(1..)
                .required(true)
                .value_parser(ALL.map(|(name, _)| name))
                .help("Run one after the other"),
        )
        .arg(
            value("endpoints", "URL,URL", "http://127.0.0.1:2379", "Connections are spread over these")
                .value_delimiter(','),
        )
        .arg(value("clients", "N", "64", "Clients at once").value_parser(value_parser!(usize)))
        .arg(value("connections", "N", "8", "Connections they share").value_parser(value_parser!(usize)))
        .arg(value("keys", "N", "100000", "Size of the key space").value_parser(value_parser!(u64)))
        .arg(value("key-size", "BYTES", "32", "Size of a key, at least 32").value_parser(value_parser!(usize)))
        .arg(value("value-size", "BYTES", "256", "Size of a value, random").value_parser(value_parser!(usize)))
        .arg(value("limit", "N", "100", "Keys that one list asks for").value_parser(value_parser!(i64)))
        .arg(value("watchers", "N", "200", "Watchers of the one key").value_parser(value_parser!(usize)))
        .arg(value("watches-per-stream", "N", "10", "Watchers that share a stream").value_parser(value_parser!(usize)))
        .arg(value("leases-per-stream", "N", "1000", "Leases of one burst").value_parser(value_parser!(usize)))
        .arg(
            value("rate", "N", "0", "Operations per second (watch: puts); 0 is the closed loop")
                .value_parser(value_parser!(f64)),
        )
        .arg(value("warmup", "S", "1", "Seconds before the measurement").value_parser(value_parser!(f64)))
        .arg(value("seconds", "S", "3", "Seconds of the measurement").value_parser(value_parser!(f64)))
        .arg(
            Arg::new("pids")
                .long("pids")
                .value_name("PID,PID")
                .value_delimiter(',')
                .value_parser(value_parser!(u32))
                .help("The server's processes on this machine: adds their CPU, bytes written and memory"),
        )
        .arg(value("label", "NAME", "-", "First column of the row"))
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("One JSON object per workload"))
}

const AFTER: &str = "\
Workloads:
  fill       puts every key once (ends when that is done, not by --seconds)
  put        puts random keys
  get        linearizable gets of random keys      (these need a filled key space)
  sget       serializable gets of random keys
  txn        transactions of one put
  list       ranges from a random key, --limit keys
  count      counts all keys
  watch      one writer, --watchers watchers of its key; an operation is an event received
  keepalive  lease renewals, the next when the last is answered
  keepalive-burst
             renewals of --leases-per-stream leases sent at once, the next burst when all are answered; an operation
             is one renewal, its latency the time between two answers

Columns: us/op is user+system CPU of --pids; client us/op is this program's own; B/op is what --pids wrote to disk;
rss and anon are their memory in MB at the end. Latencies are in milliseconds.

Example:
  load --clients 512 --connections 64 --pids $(pidof detcd) fill put get txn";

fn value(name: &'static str, unit: &'static str, default: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(unit).default_value(default).help(help)
}

fn one_of<T: Clone + Send + Sync + 'static>(matches: &ArgMatches, name: &str) -> T {
    matches.get_one::<T>(name).cloned().expect("the argument has a default")
}

fn all_of<T: Clone + Send + Sync + 'static>(matches: &ArgMatches, name: &str) -> Vec<T> {
    matches.get_many::<T>(name).map(|values| values.cloned().collect()).unwrap_or_default()
}
