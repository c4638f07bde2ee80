//! Members among each other: how a cluster is founded, and what all of them have in common.

use super::{Flag, Form, means_nothing, not_built, works};

const DISCOVERY: &str = "discovery of the first members";
const NO_DISCOVERY_V2: &str = "discovery of version 2, which etcd 3.7 has no more";

pub(super) const FLAGS: &[Flag] = &[
    works(
        "initial-advertise-peer-urls",
        Form::Urls,
        "http://localhost:2380",
        "URLs of this member for the other members",
    ),
    works(
        "initial-cluster",
        Form::Text,
        "",
        "First members, as name=URL,name=URL; empty is this member alone. Only the first start reads it",
    ),
    works(
        "initial-cluster-state",
        Form::Choice(&["new", "existing"]),
        "new",
        "Where the data directory is empty, new founds the cluster of --initial-cluster and existing refuses to",
    ),
    works(
        "initial-cluster-token",
        Form::Text,
        "etcd-cluster",
        "Tells clusters apart that are founded with equal URLs",
    ),
    works("advertise-client-urls", Form::Urls, "http://localhost:2379", "URLs of this member for clients"),
    not_built("discovery", Form::Secret, "", "URL of a discovery service, version 2", NO_DISCOVERY_V2),
    not_built(
        "discovery-token",
        Form::Secret,
        "",
        "Token under which the first members find each other",
        DISCOVERY,
    ),
    not_built("discovery-endpoints", Form::List, "", "Endpoints of the discovery service", DISCOVERY),
    not_built(
        "discovery-dial-timeout",
        Form::Duration,
        "2s",
        "Time to connect to the discovery service",
        DISCOVERY,
    ),
    not_built(
        "discovery-request-timeout",
        Form::Duration,
        "5s",
        "Time for a request to the discovery service",
        DISCOVERY,
    ),
    not_built(
        "discovery-keepalive-time",
        Form::Duration,
        "2s",
        "How often the discovery service is pinged",
        DISCOVERY,
    ),
    not_built(
        "discovery-keepalive-timeout",
        Form::Duration,
        "6s",
        "Time for its answer to a ping",
        DISCOVERY,
    ),
    not_built(
        "discovery-insecure-transport",
        Form::Boolean,
        "true",
        "Talk to the discovery service without TLS",
        DISCOVERY,
    ),
    not_built(
        "discovery-insecure-skip-tls-verify",
        Form::Boolean,
        "false",
        "Take any certificate of the discovery service",
        DISCOVERY,
    ),
    not_built("discovery-cert", Form::Text, "", "Path to a certificate for the discovery service", DISCOVERY),
    not_built("discovery-key", Form::Text, "", "Path to the key of that certificate", DISCOVERY),
    not_built("discovery-cacert", Form::Text, "", "Path to the CA of the discovery service", DISCOVERY),
    not_built(
        "discovery-user",
        Form::Secret,
        "",
        "User, or user:password, for the discovery service",
        DISCOVERY,
    ),
    not_built("discovery-password", Form::Secret, "", "Password for the discovery service", DISCOVERY),
    means_nothing(
        "discovery-fallback",
        Form::Choice(&["exit", "proxy"]),
        "exit",
        "What to do where discovery fails",
        "there is no discovery",
    ),
    not_built("discovery-proxy", Form::Secret, "", "HTTP proxy for discovery, version 2", NO_DISCOVERY_V2),
    not_built(
        "discovery-srv",
        Form::Text,
        "",
        "DNS domain whose SRV records name the first members",
        DISCOVERY,
    ),
    not_built(
        "discovery-srv-name",
        Form::Text,
        "",
        "Suffix of the service's name in those records",
        DISCOVERY,
    ),
    not_built(
        "strict-reconfig-check",
        Form::Boolean,
        "true",
        "Refuse a change of the membership that would cost the quorum",
        "changing the membership",
    )
    .also(&["false"]),
    not_built(
        "pre-vote",
        Form::Boolean,
        "true",
        "Ask whether an election could be won before one is begun",
        "an election without that question",
    ),
    works(
        "auto-compaction-retention",
        Form::Text,
        "0",
        "History to keep: hours, a duration such as 5m, or revisions; 0 keeps all",
    ),
    works(
        "auto-compaction-mode",
        Form::Text,
        "periodic",
        "What --auto-compaction-retention counts: periodic (time) or revision",
    ),
    means_nothing(
        "v2-deprecation",
        Form::Text,
        "write-only",
        "Phase of the removal of the version 2 store",
        "there is no version 2 store",
    ),
];
