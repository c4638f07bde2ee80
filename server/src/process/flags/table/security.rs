//! TLS towards clients and members, and who may do what.

use super::{Flag, Form, number, works};

pub(super) const FLAGS: &[Flag] = &[
    works("cert-file", Form::Text, "", "Path to the certificate for clients"),
    works("key-file", Form::Text, "", "Path to its key"),
    works("client-cert-auth", Form::Boolean, "false", "Ask clients for a certificate"),
    works(
        "client-cert-file",
        Form::Text,
        "",
        "Path to a certificate for the member's own calls; empty is --cert-file",
    ),
    works("client-key-file", Form::Text, "", "Path to its key; empty is --key-file"),
    works("client-crl-file", Form::Text, "", "Path to the list of clients' revoked certificates"),
    works(
        "client-cert-allowed-hostname",
        Form::List,
        "",
        "Names of which a client's certificate must have one",
    ),
    works("trusted-ca-file", Form::Text, "", "Path to the CA of clients' certificates"),
    works("auto-tls", Form::Boolean, "false", "TLS towards clients by a certificate made at the start"),
    works("peer-cert-file", Form::Text, "", "Path to the certificate for members"),
    works("peer-key-file", Form::Text, "", "Path to its key"),
    works("peer-client-cert-auth", Form::Boolean, "false", "Ask members for a certificate"),
    works(
        "peer-client-cert-file",
        Form::Text,
        "",
        "Path to a certificate for calls to members; empty is --peer-cert-file",
    ),
    works("peer-client-key-file", Form::Text, "", "Path to its key; empty is --peer-key-file"),
    works("peer-trusted-ca-file", Form::Text, "", "Path to the CA of members' certificates"),
    works(
        "peer-cert-allowed-cn",
        Form::List,
        "",
        "Common names of which a member's certificate must have one",
    ),
    works(
        "peer-cert-allowed-hostname",
        Form::List,
        "",
        "Names of which a member's certificate must have one",
    ),
    works("peer-auto-tls", Form::Boolean, "false", "TLS between members by a certificate made at the start"),
    works(
        "self-signed-cert-validity",
        number("years"),
        "1",
        "Years that a certificate made at the start is valid",
    ),
    works("peer-crl-file", Form::Text, "", "Path to the list of members' revoked certificates"),
    works("cipher-suites", Form::List, "", "Cipher suites of TLS 1.2; empty is the library's choice"),
    works("cors", Form::Text, "*", "Origins whose scripts a browser lets call; empty or * is any"),
    works(
        "host-whitelist",
        Form::Text,
        "*",
        "Host names that HTTP without TLS may ask for; empty or * is any",
    ),
    works("tls-min-version", Form::Text, "TLS1.2", "Oldest version of TLS: TLS1.2 or TLS1.3"),
    works(
        "tls-max-version",
        Form::Text,
        "",
        "Newest version of TLS: TLS1.2 or TLS1.3; empty is the library's choice",
    ),
];

pub(super) const AUTH: &[Flag] = &[
    works("auth-token", Form::Text, "simple", "Kind of token and its options: simple or jwt,..."),
    works("bcrypt-cost", number("rounds, as a power of two"), "10", "Cost of a password's hash"),
    works("auth-token-ttl", number("seconds"), "300", "Seconds until a simple token expires"),
];
