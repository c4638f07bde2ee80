//! The keys of a configuration file that are not the names of flags: those in blocks, and flags that have none.

/// Blocks, those within others by their way.
pub(super) const BLOCKS: [&str; 7] = [
    "client-transport-security",
    "peer-transport-security",
    "socket-options",
    "discovery-config",
    "discovery-config.client",
    "discovery-config.client.secure",
    "discovery-config.client.auth",
];

/// A key with its way, and its flag.
const KEYS: [(&str, &str); 33] = [
    ("client-transport-security.cert-file", "cert-file"),
    ("client-transport-security.key-file", "key-file"),
    ("client-transport-security.client-cert-file", "client-cert-file"),
    ("client-transport-security.client-key-file", "client-key-file"),
    ("client-transport-security.client-cert-auth", "client-cert-auth"),
    ("client-transport-security.trusted-ca-file", "trusted-ca-file"),
    ("client-transport-security.auto-tls", "auto-tls"),
    ("client-transport-security.allowed-hostname", "client-cert-allowed-hostname"),
    ("peer-transport-security.cert-file", "peer-cert-file"),
    ("peer-transport-security.key-file", "peer-key-file"),
    ("peer-transport-security.client-cert-file", "peer-client-cert-file"),
    ("peer-transport-security.client-key-file", "peer-client-key-file"),
    ("peer-transport-security.client-cert-auth", "peer-client-cert-auth"),
    ("peer-transport-security.trusted-ca-file", "peer-trusted-ca-file"),
    ("peer-transport-security.auto-tls", "peer-auto-tls"),
    ("peer-transport-security.allowed-cn", "peer-cert-allowed-cn"),
    ("peer-transport-security.allowed-hostname", "peer-cert-allowed-hostname"),
    ("peer-transport-security.skip-client-san-verification", "peer-skip-client-san-verification"),
    ("socket-options.reuse-port", "socket-reuse-port"),
    ("socket-options.reuse-address", "socket-reuse-address"),
    ("discovery-config.token", "discovery-token"),
    ("discovery-config.client.endpoints", "discovery-endpoints"),
    ("discovery-config.client.dial-timeout", "discovery-dial-timeout"),
    ("discovery-config.client.request-timeout", "discovery-request-timeout"),
    ("discovery-config.client.keepalive-time", "discovery-keepalive-time"),
    ("discovery-config.client.keepalive-timeout", "discovery-keepalive-timeout"),
    ("discovery-config.client.secure.insecure-transport", "discovery-insecure-transport"),
    ("discovery-config.client.secure.insecure-skip-tls-verify", "discovery-insecure-skip-tls-verify"),
    ("discovery-config.client.secure.cert", "discovery-cert"),
    ("discovery-config.client.secure.key", "discovery-key"),
    ("discovery-config.client.secure.cacert", "discovery-cacert"),
    ("discovery-config.client.auth.username", "discovery-user"),
    ("discovery-config.client.auth.password", "discovery-password"),
];

/// Keys of etcd's that no flag has.
const UNAVAILABLE: [&str; 2] =
    ["client-transport-security.allowed-cn", "client-transport-security.skip-client-san-verification"];

/// Flags that etcd reads from no file, or only in a block.
const NOT_IN_FILES: [&str; 7] = [
    "client-crl-file",
    "peer-crl-file",
    "raft-read-timeout",
    "raft-write-timeout",
    "discovery-fallback",
    "config-file",
    "client-cert-allowed-hostname",
];

/// The flag that a key sets, by the key with its way.
pub(super) fn flag_of(key: &str) -> Option<&str> {
    if let Some((_, flag)) = KEYS.iter().find(|(known, _)| *known == key) {
        return Some(flag);
    }
    let is_elsewhere = NOT_IN_FILES.contains(&key) || KEYS.iter().any(|(_, flag)| *flag == key);
    (!key.contains('.') && !is_elsewhere).then_some(key)
}

/// Whether etcd has such a key, and nothing here.
pub(super) fn is_unavailable(key: &str) -> bool {
    UNAVAILABLE.contains(&key)
}

/// The last parts of the keys of a block.
pub(super) fn keys_of(block: &str) -> impl Iterator<Item = &'static str> {
    let of_block =
        move |key: &'static str| key.strip_prefix(block)?.strip_prefix('.').filter(|key| !key.contains('.'));
    KEYS.iter().map(|(key, _)| *key).chain(UNAVAILABLE).filter_map(of_block)
}
