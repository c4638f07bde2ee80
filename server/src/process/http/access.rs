//! Who may ask over HTTP: `--host-whitelist` and `--cors`.
//!
//! A page in a browser can be made to ask a member under a name that leads to it (DNS rebinding, CVE-2018-5702); without
//! TLS only the `Host` header tells. What other pages may read of an answer is the browser's to keep: CORS tells it.

use super::reply;
use crate::process::flags::Access;
use bytes::Bytes;
use http::header::{HOST, HeaderName, HeaderValue, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, Response};
use std::collections::BTreeSet;

const ALLOW_METHODS: (HeaderName, HeaderValue) =
    (http::header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST, GET, OPTIONS, PUT, DELETE"));
const ALLOW_HEADERS: (HeaderName, HeaderValue) = (
    http::header::ACCESS_CONTROL_ALLOW_HEADERS,
    HeaderValue::from_static("accept, content-type, authorization"),
);

impl Access {
    /// The refusal of a request without TLS under a name that is not on the list.
    pub(super) fn refuse_host(&self, request: &Parts) -> Option<Response<Bytes>> {
        let host = request.headers.get(HOST).and_then(|host| host.to_str().ok());
        let host = host.or(request.uri.authority().map(|authority| authority.as_str())).unwrap_or_default();
        let name = hostname(host);
        if allows(&self.hosts, name) {
            return None;
        }
        tracing::debug!(host = name, "rejecting HTTP request to prevent DNS rebinding attacks");
        let text = format!(
            "\netcd received your request, but the Host header was unrecognized.\n\n\
             To fix this, choose one of the following options:\n\
             - Enable TLS, then any HTTPS request will be allowed.\n\
             - Add the hostname you want to use to the whitelist in settings.\n  \
             - e.g. etcd --host-whitelist {name:?}\n\n\
             This requirement has been added to help prevent \"DNS Rebinding\" attacks (CVE-2018-5702).\n"
        );
        Some(reply::error(421, &text))
    }

    /// Tells a browser which pages may read the answer.
    pub(super) fn add_cors(&self, request: &Parts, headers: &mut HeaderMap) {
        let origin = if allows(&self.origins, "*") {
            HeaderValue::from_static("*")
        } else {
            match request.headers.get(ORIGIN) {
                Some(origin) if origin.to_str().is_ok_and(|origin| allows(&self.origins, origin)) => {
                    origin.clone()
                }
                _ => return,
            }
        };
        headers.append(ALLOW_METHODS.0, ALLOW_METHODS.1);
        headers.append(http::header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.append(ALLOW_HEADERS.0, ALLOW_HEADERS.1);
    }
}

fn allows(names: &BTreeSet<String>, name: &str) -> bool {
    names.is_empty() || names.contains("*") || names.contains(name)
}

/// Without the port and the brackets of IPv6.
fn hostname(host: &str) -> &str {
    let without_port = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.is_empty() => name,
        _ => host,
    };
    without_port.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(without_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(headers: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::builder().uri("/health");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn hosts_that_are_not_on_the_list_are_refused() {
        let access = Access { hosts: names(&["localhost", "::1"]), ..Access::default() };
        for (host, refused) in [
            ("localhost", false),
            ("localhost:2379", false),
            ("[::1]:2379", false),
            ("evil.example", true),
            ("localhost.evil.example", true),
        ] {
            let refusal = access.refuse_host(&request(&[("host", host)]));
            assert_eq!(refusal.is_some(), refused, "{host}");
            if let Some(refusal) = refusal {
                assert_eq!(refusal.status(), 421);
                assert!(
                    String::from_utf8_lossy(refusal.body()).contains("--host-whitelist \"evil.example\"")
                        || host.starts_with("localhost.")
                );
            }
        }
        assert!(Access::default().refuse_host(&request(&[("host", "anything")])).is_none());
    }

    #[test]
    fn browsers_are_told_which_pages_may_read() {
        let origin = |access: &Access, origin: &str| {
            let mut headers = HeaderMap::new();
            access.add_cors(&request(&[("origin", origin)]), &mut headers);
            headers.get("access-control-allow-origin").map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(origin(&Access::default(), "http://a").as_deref(), Some("*"));
        let listed = Access { origins: names(&["http://a"]), ..Access::default() };
        assert_eq!(origin(&listed, "http://a").as_deref(), Some("http://a"));
        assert_eq!(origin(&listed, "http://b"), None);
    }
}
