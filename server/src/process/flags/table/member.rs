//! A member of its own: where it listens, what it stores, what a request may cost.

use super::{Flag, Form, means_nothing, not_built, number, works};

const NO_BBOLT: &str =
    "there is no bbolt database file: the state is in memory, with a log and snapshots on disk";
const SEGMENTS: &str =
    "kept is what a restart and members that catch up need: two snapshots and the log since";
const PEER_STREAMS: &str = "streams between members have deadlines of their own";
const KEEPALIVE: &str = "a keepalive of connections by pings";

pub(super) const FLAGS: &[Flag] = &[
    works("name", Form::Text, "default", "Human-readable name of this member"),
    works("data-dir", Form::Text, "", "Path to the data directory; empty is <name>.etcd"),
    not_built(
        "wal-dir",
        Form::Text,
        "",
        "Path to a directory for the log alone",
        "a log outside of --data-dir",
    ),
    works(
        "snapshot-count",
        number("commands"),
        "10000",
        "Commands between two snapshots of the state, at least",
    ),
    works("heartbeat-interval", number("milliseconds"), "100", "Milliseconds between heartbeats"),
    works(
        "election-timeout",
        number("milliseconds"),
        "1000",
        "Milliseconds without a heartbeat before an election; five heartbeats at least",
    ),
    means_nothing(
        "initial-election-tick-advance",
        Form::Boolean,
        "true",
        "Wait less for the first election after a start",
        "a member waits for an election timeout after every start",
    ),
    works(
        "listen-peer-urls",
        Form::Urls,
        "http://localhost:2380",
        "URLs to listen on for the other members: addresses, or localhost",
    ),
    works(
        "listen-client-urls",
        Form::Urls,
        "http://localhost:2379",
        "URLs to listen on for clients: addresses, or localhost",
    ),
    works(
        "listen-client-http-urls",
        Form::Urls,
        "",
        "URLs to listen on for HTTP alone, which --listen-client-urls then does without",
    ),
    means_nothing("max-snapshots", number("files"), "5", "Snapshot files to keep", SEGMENTS),
    means_nothing("max-wals", number("files"), "5", "Files of the log to keep", SEGMENTS),
    means_nothing(
        "memory-mlock",
        Form::Boolean,
        "false",
        "Lock the pages of the database in memory",
        NO_BBOLT,
    ),
    works(
        "quota-backend-bytes",
        Form::Number { of: "bytes", min: i64::MIN as i128, max: i64::MAX as i128 },
        "0",
        "Size of the state above which writes are refused, in bytes; 0 is 2 GiB, negative is no quota",
    ),
    means_nothing(
        "backend-bbolt-freelist-type",
        Form::Text,
        "map",
        "How bbolt lists its free pages: array or map",
        NO_BBOLT,
    ),
    means_nothing(
        "backend-batch-interval",
        Form::Duration,
        "0s",
        "Longest time between two commits of the database; 0s is 100ms",
        NO_BBOLT,
    ),
    means_nothing(
        "backend-batch-limit",
        Form::Number { of: "operations", min: i64::MIN as i128, max: i64::MAX as i128 },
        "0",
        "Most operations between two commits of the database; 0 is 10000",
        NO_BBOLT,
    ),
    works(
        "max-txn-ops",
        Form::Number { of: "operations", min: 1, max: u32::MAX as i128 },
        "128",
        "Most operations in a transaction",
    ),
    works(
        "max-request-bytes",
        Form::Number { of: "bytes", min: 1, max: u32::MAX as i128 },
        "1572864",
        "Largest request of a client, in bytes",
    ),
    works(
        "max-concurrent-streams",
        Form::Number { of: "streams", min: 0, max: u32::MAX as i128 },
        "4294967295",
        "Most calls that a connection of a client may have open at a time; 0 is no bound",
    ),
    not_built(
        "grpc-keepalive-min-time",
        Form::Duration,
        "5s",
        "Least time between two pings of a client",
        KEEPALIVE,
    ),
    not_built(
        "grpc-keepalive-interval",
        Form::Duration,
        "2h",
        "How often a silent client is pinged; 0s is never",
        KEEPALIVE,
    ),
    not_built(
        "grpc-keepalive-timeout",
        Form::Duration,
        "20s",
        "Time for the answer to a ping before the connection ends",
        KEEPALIVE,
    ),
    not_built(
        "socket-reuse-port",
        Form::Boolean,
        "false",
        "Set SO_REUSEPORT on listening sockets: another process may have the port too",
        "SO_REUSEPORT",
    ),
    means_nothing(
        "socket-reuse-address",
        Form::Boolean,
        "false",
        "Set SO_REUSEADDR on listening sockets: a port can be had again at once",
        "it is always set",
    ),
    works("enable-grpc-gateway", Form::Boolean, "true", "Serve the JSON gateway on the client port"),
    means_nothing(
        "raft-read-timeout",
        Form::Duration,
        "5s",
        "Longest silence while reading from a member",
        PEER_STREAMS,
    ),
    means_nothing(
        "raft-write-timeout",
        Form::Duration,
        "5s",
        "Longest wait while writing to a member",
        PEER_STREAMS,
    ),
    works(
        "feature-gates",
        Form::Text,
        "",
        "What is to be switched on or off, as Name=true,Other=false; the gates are listed below",
    ),
];
