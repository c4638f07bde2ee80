//! URLs as etcd's flags have them: where a member listens, and where others find it.

use std::fmt;
use std::path::PathBuf;

/// A URL, kept as it was written: member ids are hashes of these texts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Url {
    /// As written, but for a slash at its end.
    pub text: String,
    /// `https` or `unixs`.
    pub is_tls: bool,
    /// Where it leads.
    pub place: Place,
}

/// What can be listened on and connected to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// `http` and `https`.
    Tcp {
        /// Name or address, without the brackets of IPv6.
        host: String,
        /// Port.
        port: u16,
    },
    /// `unix` and `unixs`: a socket's file. `unix://localhost:1` is the file `localhost:1` of the working directory.
    Socket(PathBuf),
}

impl Url {
    /// Parses `scheme://host:port` or `unix://path`. What is wrong is said without the text, which the caller names.
    pub fn parse(text: &str) -> Result<Url, &'static str> {
        let (is_tls, rest) = match text.split_once("://") {
            Some(("http", rest)) => (false, rest),
            Some(("https", rest)) => (true, rest),
            Some((scheme @ ("unix" | "unixs"), path)) => {
                if path.is_empty() {
                    return Err("a path: unix://path");
                }
                let place = Place::Socket(path.into());
                return Ok(Url { text: text.to_owned(), is_tls: scheme == "unixs", place });
            }
            _ => return Err("a URL of http, https, unix or unixs: http://host:port"),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let Some((host, port)) = rest.rsplit_once(':') else { return Err("a port: http://host:port") };
        let host = match host.strip_prefix('[') {
            Some(host) => host.strip_suffix(']').ok_or("a closing bracket: http://[address]:port")?,
            None if host.contains(':') => {
                return Err("brackets around an IPv6 address: http://[address]:port");
            }
            None => host,
        };
        let Ok(port) = port.parse() else {
            return Err("a port from 0 to 65535 and no path: http://host:port");
        };
        let is_host = |c: char| c.is_ascii_alphanumeric() || "-._:%".contains(c);
        if host.is_empty() || !host.chars().all(is_host) {
            return Err("a host: http://host:port");
        }
        let text = text.strip_suffix('/').unwrap_or(text);
        Ok(Url { text: text.to_owned(), is_tls, place: Place::Tcp { host: host.to_owned(), port } })
    }

    /// Name or address; `None` for a socket's file.
    pub fn host(&self) -> Option<&str> {
        match &self.place {
            Place::Tcp { host, .. } => Some(host),
            Place::Socket(_) => None,
        }
    }

    /// `host:port` or the path, to bind or connect to.
    pub fn address(&self) -> String {
        match &self.place {
            Place::Tcp { host, port } if host.contains(':') => format!("[{host}]:{port}"),
            Place::Tcp { host, port } => format!("{host}:{port}"),
            Place::Socket(path) => path.display().to_string(),
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        for (text, address) in [
            ("http://127.0.0.1:2379", Some(("127.0.0.1:2379", false))),
            ("http://[::1]:2379", Some(("[::1]:2379", false))),
            ("http://localhost:80/", Some(("localhost:80", false))),
            ("https://localhost:80", Some(("localhost:80", true))),
            ("unix:///run/etcd.sock", Some(("/run/etcd.sock", false))),
            ("unixs://localhost:1", Some(("localhost:1", true))),
            ("unix://", None),
            ("ftp://localhost:80", None),
            ("localhost:80", None),
            ("http://localhost", None),
            ("http://:2379", None),
            ("http://::1:2379", None),
            ("http://[::1:2379", None),
            ("http://localhost:80/path", None),
            ("http://localhost:65536", None),
            ("http://user@localhost:80", None),
            ("", None),
        ] {
            let parsed = Url::parse(text).ok().map(|url| (url.address(), url.is_tls));
            assert_eq!(parsed, address.map(|(address, is_tls)| (address.to_owned(), is_tls)), "{text}");
        }
    }
}
