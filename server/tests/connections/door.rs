//! What comes to a port before it is known what it is: silence, half a word, many of them; files instead of ports; ports for
//! HTTP alone.

use crate::http_requests::{address, get, say};
use crate::processes::{Cluster, eventually, free_port, put};
use crate::raw::{Connection, WATCH, head};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

/// The first bytes of a client's hello in TLS, which says that there are 512 of it.
const HALF_A_HELLO: [u8; 9] = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_says_nothing_or_half_a_word_delays_nobody() {
    let cluster = Cluster::alone(&["--auto-tls=true"]).await;
    let member = &cluster.members[0];
    let mut silent = Vec::new();
    for number in 0..300 {
        let mut stream = TcpStream::connect(address(&member.client_url)).await.unwrap();
        let said: &[u8] = match number % 4 {
            0 => b"",
            1 => b"PRI * HT",
            2 => b"GET /health HTTP/1.1\r\nHost: a",
            _ => &HALF_A_HELLO,
        };
        stream.write_all(said).await.unwrap();
        silent.push(stream);
    }
    let mut kv = member.kv();
    let mut slowest = Duration::ZERO;
    for number in 0..50 {
        let began = Instant::now();
        kv.put(put("canary", number.to_string())).await.unwrap();
        slowest = slowest.max(began.elapsed());
    }
    // Far above what it takes, far below what waiting for one of them would.
    assert!(slowest < Duration::from_secs(2), "a put took {slowest:?}");
    let mut first = silent.swap_remove(0);
    let ended = tokio::time::timeout(Duration::from_secs(20), first.read(&mut [0; 1])).await;
    assert!(matches!(ended, Ok(Ok(0) | Err(_))), "one that says nothing is closed after ten seconds");
}

#[tokio::test]
async fn http_has_ports_of_its_own_where_that_is_asked_for() {
    let (http, metrics) = (free_port(), free_port());
    let flags = [
        format!("--listen-client-http-urls=http://127.0.0.1:{http}"),
        format!("--listen-metrics-urls=http://127.0.0.1:{metrics}"),
    ];
    let cluster = Cluster::alone(&flags.each_ref().map(String::as_str)).await;
    let member = &cluster.members[0];
    let ask = |address: String, path: &'static str| async move {
        say(TcpStream::connect(address).await.unwrap(), &get(path)).await.status
    };
    assert_eq!(ask(format!("127.0.0.1:{http}"), "/version").await, 200);
    assert_eq!(ask(format!("127.0.0.1:{metrics}"), "/health").await, 200);
    assert_eq!(ask(format!("127.0.0.1:{metrics}"), "/version").await, 404);
    assert_eq!(ask(address(&member.client_url).to_owned(), "/health").await, 0, "gRPC alone");
    assert_eq!(ask(address(&member.peer_url).to_owned(), "/version").await, 200);
    assert_eq!(ask(address(&member.peer_url).to_owned(), "/health").await, 404);
    let channel = crate::processes::channel(&format!("http://127.0.0.1:{http}"));
    let refused = detcd::pb::kv_client::KvClient::new(channel).put(put("a", "1")).await;
    assert!(refused.is_err(), "no gRPC where HTTP is asked for");
}

#[tokio::test]
async fn a_file_is_a_port_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("clients");
    let mut cluster = Cluster::of(1, &[]);
    let member = &mut cluster.members[0];
    member.add_flag(&format!("--listen-client-urls={},unix://{}", member.client_url, path.display()));
    member.start();
    member.ready().await;
    let answer = say(UnixStream::connect(&path).await.unwrap(), &get("/health")).await;
    assert_eq!(answer.status, 200);
    let channel = crate::processes::channel(&format!("unix://{}", path.display()));
    detcd::pb::kv_client::KvClient::new(channel).put(put("a", "1")).await.unwrap();
    member.ask_to_stop();
    assert!(member.ended().await.success());
    eventually("the file to go", || async { (!path.exists()).then_some(()) }).await;
}

#[tokio::test]
async fn a_connection_has_as_many_calls_as_the_flag_says() {
    let cluster = Cluster::alone(&["--max-concurrent-streams=3"]).await;
    let mut connection = Connection::to(&cluster.members[0]).await;
    // An answer comes behind what the server says of itself.
    connection.still_serves().await;
    assert_eq!(connection.calls_max(), 3);
    let watches = [connection.begin(head(WATCH)).await, connection.begin(head(WATCH)).await];
    connection.still_serves().await;
    drop(watches);
}
