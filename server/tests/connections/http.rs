//! HTTP/1.1 as curl and load balancers speak it: one request, one answer, and what is no request.

use crate::processes::{Cluster, PATIENCE, Process};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// An answer as it came: its first line, its headers in lower case, its body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// Says this and reads to the end.
pub(crate) async fn say(mut stream: impl AsyncRead + AsyncWrite + Unpin, text: &str) -> Answer {
    let exchange = async {
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // A server that has answered may close without waiting for what it did not want to hear.
        _ = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    };
    let answer = timeout(PATIENCE, exchange).await.expect("an answer in time");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Answer { status, head: head.to_lowercase(), body: body.to_owned() }
}

pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
}

pub(crate) fn address(url: &str) -> &str {
    url.split_once("://").unwrap().1
}

async fn ask(member: &Process, text: &str) -> Answer {
    say(TcpStream::connect(address(&member.client_url)).await.unwrap(), text).await
}

#[tokio::test]
async fn probes_are_answered_as_etcd_answers_them() {
    let cluster = Cluster::alone(&[]).await;
    let member = &cluster.members[0];
    let readyz =
        "[+]data_corruption ok\n[+]serializable_read ok\n[+]linearizable_read ok\n[+]non_learner ok\n";
    for (path, status, body) in [
        ("/health", 200, "{\"health\":\"true\",\"reason\":\"\"}".to_owned()),
        (
            "/health?serializable=true&exclude=NOSPACE",
            200,
            "{\"health\":\"true\",\"reason\":\"\"}".to_owned(),
        ),
        (
            "/version",
            200,
            "{\"etcdserver\":\"3.7.1\",\"etcdcluster\":\"3.7.0\",\"storage\":\"3.7.0\"}".to_owned(),
        ),
        ("/livez", 200, "ok\n".to_owned()),
        ("/readyz?verbose", 200, format!("{readyz}ok\n")),
        (
            "/readyz?verbose&exclude=non_learner&exclude=nothing",
            200,
            readyz.replace("[+]non_learner ok\n", "ok\n"),
        ),
        ("/readyz/linearizable_read?verbose", 200, "[+]linearizable_read ok\nok\n".to_owned()),
        ("/livez/linearizable_read", 404, "404 page not found\n".to_owned()),
        ("/", 404, "404 page not found\n".to_owned()),
        ("/health/", 404, "404 page not found\n".to_owned()),
    ] {
        let answer = ask(member, &get(path)).await;
        assert_eq!((answer.status, answer.body.as_str()), (status, body.as_str()), "{path}: {answer:?}");
        assert!(answer.head.contains("access-control-allow-origin: *"), "{path}: {answer:?}");
    }
    for path in ["/health", "/version", "/readyz"] {
        let answer = ask(member, &get(path).replace("GET", "POST")).await;
        assert_eq!((answer.status, answer.body.as_str()), (405, "Method Not Allowed\n"));
        assert!(answer.head.contains("allow: get"), "{answer:?}");
    }
}

#[tokio::test]
async fn a_member_without_a_leader_lives_and_is_not_ready() {
    let mut cluster = Cluster::of_three(&[]).await;
    cluster.members[1].kill();
    cluster.members[2].kill();
    let member = &cluster.members[0];
    crate::processes::eventually("the leader to be missed", || async {
        (member.status().await?.leader == 0).then_some(())
    })
    .await;
    let health = ask(member, &get("/health")).await;
    assert_eq!(
        (health.status, health.body.as_str()),
        (503, "{\"health\":\"false\",\"reason\":\"RAFT NO LEADER\"}\n")
    );
    assert_eq!(ask(member, &get("/health?serializable=true")).await.status, 200);
    assert_eq!(ask(member, &get("/livez")).await.status, 200);
    let ready = ask(member, &get("/readyz?exclude=linearizable_read")).await;
    assert_eq!(ready.status, 200, "{ready:?}");
}

#[tokio::test]
async fn what_is_no_request_costs_an_answer_and_no_more() {
    let cluster = Cluster::alone(&["--host-whitelist=localhost,127.0.0.1"]).await;
    let member = &cluster.members[0];
    let headers: String = (0..1_000).map(|number| format!("x-{number}: 1\r\n")).collect();
    let long = format!("x: {}\r\n", "a".repeat(1_000_000));
    for (what, text, status) in [
        ("many headers", get("/health").replace("Connection", &format!("{headers}Connection")), 431),
        ("a long header", get("/health").replace("Connection", &format!("{long}Connection")), 431),
        ("no HTTP", "HELO example\r\n\r\n".to_owned(), 400),
        (
            "a name that is not on the list",
            get("/health").replace("Host: localhost", "Host: evil.example"),
            421,
        ),
        (
            "a body that nobody reads",
            get("/health").replace("\r\n\r\n", "\r\nContent-Length: 5\r\n\r\nhello"),
            200,
        ),
    ] {
        let answer = ask(member, &text).await;
        assert_eq!(answer.status, status, "{what}: {answer:?}");
    }
    assert_eq!(ask(member, &get("/health")).await.status, 200);
}

fn post(path: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

#[tokio::test]
async fn whoever_has_only_curl_can_use_it() {
    let cluster = Cluster::alone(&[]).await;
    let member = &cluster.members[0];
    let put = ask(member, &post("/v3/kv/put", r#"{"key":"Zm9v","value":"YmFy"}"#)).await;
    assert_eq!(put.status, 200, "{put:?}");
    assert!(put.body.contains(r#""revision":"2""#), "{put:?}");
    let range = ask(member, &post("/v3/kv/range", r#"{"key":"Zm9v"}"#)).await;
    assert!(
        range.body.contains(
            r#""kvs":[{"key":"Zm9v","create_revision":"2","mod_revision":"2","version":"1","value":"YmFy"}]"#
        ),
        "{range:?}"
    );
    // The watch's stream ends when the client does: it says what it has to say at once.
    let mut watch = TcpStream::connect(address(&member.client_url)).await.unwrap();
    let asked = post("/v3/watch", r#"{"create_request":{"key":"Zm9v","start_revision":"1"}}"#);
    watch.write_all(asked.as_bytes()).await.unwrap();
    let mut told = String::new();
    let events = async {
        while !told.contains(r#""events":[{"kv":{"key":"Zm9v""#) {
            let mut bytes = [0; 1024];
            let length = watch.read(&mut bytes).await.unwrap();
            assert_ne!(length, 0, "the watch ended: {told}");
            told.push_str(std::str::from_utf8(&bytes[..length]).unwrap());
        }
    };
    timeout(PATIENCE, events).await.expect("the event in time");
    assert!(told.contains(r#"{"result":{"header":"#), "{told}");
}

#[tokio::test]
async fn odd_json_costs_an_answer_and_no_more() {
    let cluster = Cluster::alone(&["--max-request-bytes=1000000"]).await;
    let member = &cluster.members[0];
    let deep = format!(
        "{{\"success\":{}{}}}",
        "[{\"request_txn\":{\"success\":".repeat(10_000),
        "[]}}]".repeat(10_000)
    );
    let large = format!("{{\"key\":\"AA==\",\"value\":\"{}\"}}", "A".repeat(3_000_000));
    let huge = format!("{{\"key\":\"{}\"}}", "A".repeat(5_000_000));
    for (what, path, body, status) in [
        ("nested deeply", "/v3/kv/txn", deep.as_str(), 400),
        ("a message above the limit", "/v3/kv/put", large.as_str(), 429),
        ("text far above it", "/v3/kv/put", huge.as_str(), 429),
        ("no JSON", "/v3/kv/put", "key=a&value=b", 400),
        ("a method that is not built", "/v3/maintenance/downgrade", "{}", 404),
    ] {
        let answer = ask(member, &post(path, body)).await;
        assert_eq!(answer.status, status, "{what}: {answer:?}");
    }
    let without = Cluster::alone(&["--enable-grpc-gateway=false"]).await;
    assert_eq!(ask(&without.members[0], &post("/v3/kv/range", "{}")).await.status, 404);
}
