//! What a member tells Prometheus, held against docs/metrics.md, both ways.

#![allow(clippy::unwrap_used, reason = "a test ends by a panic")]

mod processes;

use detcd::pb::maintenance_client::MaintenanceClient;
use detcd::pb::watch_client::WatchClient;
use detcd::pb::watch_request::RequestUnion;
use detcd::pb::{AlarmRequest, AlarmType, RangeRequest, WatchCreateRequest, WatchRequest, alarm_request};
use processes::{Cluster, Process, eventually, put};
use std::collections::{BTreeMap, BTreeSet};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const PAGE: &str = include_str!("../../docs/metrics.md");

/// Type, labels, bounds.
#[derive(Clone, Debug, Default, PartialEq)]
struct Family {
    kind: String,
    labels: BTreeSet<String>,
    bounds: Vec<f64>,
}

/// A series' value by its name and labels, as they are written.
type Series = BTreeMap<String, f64>;

async fn scrape(member: &Process) -> String {
    let address = member.client_url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    body.to_owned()
}

fn series(text: &str) -> Series {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.map(|line| line.rsplit_once(' ').unwrap());
    pairs.map(|(name, value)| (name.to_owned(), value.parse().unwrap())).collect()
}

fn families(text: &str) -> BTreeMap<String, Family> {
    let mut families = BTreeMap::<String, Family>::new();
    for line in text.lines() {
        if let Some(told) = line.strip_prefix("# TYPE ") {
            let (name, kind) = told.split_once(' ').unwrap();
            families.insert(name.to_owned(), Family { kind: kind.to_owned(), ..Family::default() });
        } else if !line.starts_with('#') {
            let (name, labels) = line.split_once(['{', ' ']).unwrap();
            let of_histogram = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
            let name = of_histogram.filter(|name| families.contains_key(*name)).unwrap_or(name);
            let family = families.get_mut(name).unwrap_or_else(|| panic!("{line}: no type before it"));
            // No value has a comma or a brace in it.
            let labels = labels.split_once('}').map_or("", |(labels, _)| labels);
            for (label, value) in labels.split(',').filter_map(|label| label.split_once('=')) {
                let value = value.trim_matches('"');
                match label {
                    "le" if value == "+Inf" => {}
                    "le" => family.bounds.push(value.parse().unwrap()),
                    _ => _ = family.labels.insert(label.to_owned()),
                }
            }
        }
    }
    for family in families.values_mut() {
        family.bounds.sort_by(f64::total_cmp);
        family.bounds.dedup();
    }
    families
}

/// What the page says, but for what it says is not there.
fn page() -> BTreeMap<String, Family> {
    let mut families = BTreeMap::new();
    for line in PAGE.lines() {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, kind, labels, bounds, _] = cells[..] else { continue };
        let Some(name) = name.strip_prefix('`').and_then(|name| name.strip_suffix('`')) else { continue };
        let labels = labels.split(',').map(|label| label.trim().trim_matches('`').to_owned());
        let bounds: Vec<f64> = bounds.split(',').filter_map(|number| number.trim().parse().ok()).collect();
        let bounds = match bounds[..] {
            [start, factor, count] => {
                (0..count as i32).map(|place| start * f64::powi(factor, place)).collect()
            }
            _ if kind == "histogram" => vec![0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0],
            _ => Vec::new(),
        };
        let labels = labels.filter(|label| !label.is_empty()).collect();
        families.insert(name.to_owned(), Family { kind: kind.to_owned(), labels, bounds });
    }
    families
}

fn is_near(one: &Family, other: &Family) -> bool {
    let near = |(one, other): (&f64, &f64)| (one / other - 1.0).abs() < 1e-9;
    (&one.kind, &one.labels) == (&other.kind, &other.labels)
        && one.bounds.len() == other.bounds.len()
        && one.bounds.iter().zip(&other.bounds).all(near)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_told_is_on_the_page_and_nothing_else() {
    let cluster = Cluster::of_three(&["--metrics=extensive"]).await;
    let member = &cluster.members[0];
    member.kv().put(put("a", "1")).await.unwrap();
    let raise = AlarmRequest {
        action: alarm_request::AlarmAction::Activate.into(),
        member_id: 0,
        alarm: AlarmType::Nospace.into(),
    };
    MaintenanceClient::new(member.channel()).alarm(raise).await.unwrap();
    let (told, listed) = (families(&scrape(member).await), page());
    assert!(listed.len() > 80, "a page with so few names: {}", listed.len());
    for (name, family) in &listed {
        match told.get(name) {
            // Of the last check and the last alarm of any kind: there is none yet.
            None if name.starts_with("etcd_server_healthcheck") => {}
            None => panic!("{name} is on the page and not told"),
            Some(told) => assert!(is_near(told, family), "{name}: told {told:?}, on the page {family:?}"),
        }
    }
    let unlisted: Vec<&String> = told.keys().filter(|name| !listed.contains_key(*name)).collect();
    assert!(unlisted.is_empty(), "not on the page: {unlisted:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_clients_do_is_counted() {
    let cluster = Cluster::of_three(&[]).await;
    let member = &cluster.members[0];
    let (asks, asked) = tokio::sync::mpsc::channel(1);
    let create = WatchCreateRequest { key: "a".into(), ..WatchCreateRequest::default() };
    asks.send(WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) }).await.unwrap();
    let asked = tokio_stream::wrappers::ReceiverStream::new(asked);
    let mut watch = WatchClient::new(member.channel()).watch(asked).await.unwrap().into_inner();
    assert!(watch.message().await.unwrap().unwrap().created);
    let mut kv = member.kv();
    for value in ["1", "22"] {
        kv.put(put("a", value)).await.unwrap();
    }
    kv.range(RangeRequest { key: "a".into(), ..RangeRequest::default() }).await.unwrap();
    kv.range(RangeRequest::default()).await.unwrap_err();
    let mut events = 0;
    while events < 2 {
        events += watch.message().await.unwrap().unwrap().events.len();
    }
    let told = series(&scrape(member).await);
    let method = |method: &str, kind: &str, service: &str| {
        format!(r#"grpc_method="{method}",grpc_service="etcdserverpb.{service}",grpc_type="{kind}""#)
    };
    let (range, stream) = (method("Range", "unary", "KV"), method("Watch", "bidi_stream", "Watch"));
    for (name, value) in [
        ("etcd_mvcc_put_total".to_owned(), 2.0),
        ("etcd_debugging_mvcc_total_put_size_in_bytes".to_owned(), 5.0),
        ("etcd_debugging_mvcc_keys_total".to_owned(), 1.0),
        ("etcd_debugging_mvcc_watcher_total".to_owned(), 1.0),
        ("etcd_debugging_mvcc_watch_stream_total".to_owned(), 1.0),
        ("etcd_debugging_mvcc_events_total".to_owned(), 2.0),
        ("etcd_debugging_mvcc_pending_events_total".to_owned(), 0.0),
        ("etcd_debugging_mvcc_current_revision".to_owned(), 3.0),
        ("etcd_server_has_leader".to_owned(), 1.0),
        (format!(r#"grpc_server_handled_total{{grpc_code="OK",{range}}}"#), 1.0),
        (format!(r#"grpc_server_handled_total{{grpc_code="InvalidArgument",{range}}}"#), 1.0),
        (format!(r#"grpc_server_handled_total{{grpc_code="OK",{stream}}}"#), 0.0),
        (format!("grpc_server_started_total{{{stream}}}"), 1.0),
        (format!("grpc_server_msg_received_total{{{stream}}}"), 1.0),
    ] {
        assert_eq!(told.get(&name), Some(&value), "{name}");
    }
    drop((asks, watch));
    let canceled = format!(r#"grpc_server_handled_total{{grpc_code="Canceled",{stream}}}"#);
    eventually("the end of the watch stream to be counted", || async {
        let told = series(&scrape(member).await);
        let is_ended = told[&canceled] == 1.0 && told["etcd_debugging_mvcc_watcher_total"] == 0.0;
        is_ended.then_some(())
    })
    .await;
}

/// The figures of each other member: bytes both ways, and of the leader how long its heartbeats took.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_members_say_to_each_other_is_counted() {
    let cluster = Cluster::of_three(&[]).await;
    cluster.members[0].kv().put(put("a", "1")).await.unwrap();
    eventually("figures of all members", || async {
        let mut leaders = 0;
        for member in &cluster.members {
            let told = series(&scrape(member).await);
            let of = |name: &str| -> Vec<f64> {
                let begins = format!("{name}{{");
                told.iter()
                    .filter(|(series, _)| series.starts_with(&begins))
                    .map(|(_, value)| *value)
                    .collect()
            };
            if of("etcd_network_active_peers") != [1.0; 2] || of("etcd_network_known_peers") != [1.0; 3] {
                return None;
            }
            let sent = of("etcd_network_peer_sent_bytes_total");
            let received = of("etcd_network_peer_received_bytes_total");
            // Followers say little to each other, and nothing while all is well.
            if !sent.iter().any(|bytes| *bytes > 0.0) || !received.iter().any(|bytes| *bytes > 0.0) {
                return None;
            }
            if told["etcd_server_is_leader"] == 1.0 {
                leaders += 1;
                let round_trips = of("etcd_network_peer_round_trip_time_seconds_count");
                if round_trips.len() != 2 || round_trips.contains(&0.0) {
                    return None;
                }
            }
        }
        (leaders == 1).then_some(())
    })
    .await;
}
