//! Lease renewals as etcd's clients send them: those of all leases on one stream, in one burst.

use crate::processes::Cluster;
use detcd::pb::lease_client::LeaseClient;
use detcd::pb::{LeaseGrantRequest, LeaseKeepAliveRequest};
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::Code;

const TTL_SECS: i64 = 3_600;
/// More than a member works on at once.
const RENEWALS: i64 = 1_000;
/// What a client has in flight that goes on for ever.
const UNANSWERED: usize = 500;

/// Of every third lease nobody has heard: that is an answer too, in its place.
fn renewals() -> impl Iterator<Item = LeaseKeepAliveRequest> {
    (1..=RENEWALS).map(|id| LeaseKeepAliveRequest { id: if id % 3 == 0 { id + RENEWALS } else { id } })
}

async fn grant(cluster: &Cluster) -> LeaseClient<tonic::transport::Channel> {
    let mut leases = LeaseClient::new(cluster.members[0].channel());
    for id in 1..=RENEWALS {
        leases.lease_grant(LeaseGrantRequest { ttl: TTL_SECS, id }).await.unwrap();
    }
    leases
}

/// The client has said all before it reads the first answer, and closes its side: it gets every answer, in its order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_of_renewals_is_answered_whole_and_in_order() {
    let cluster = Cluster::alone(&[]).await;
    let mut leases = grant(&cluster).await;
    let mut answers = leases.lease_keep_alive(tokio_stream::iter(renewals())).await.unwrap().into_inner();
    for asked in renewals() {
        let answer = answers.message().await.unwrap().expect("an answer to each");
        let ttl_secs = if asked.id <= RENEWALS { TTL_SECS } else { 0 };
        assert_eq!((answer.id, answer.ttl), (asked.id, ttl_secs));
    }
    assert_eq!(answers.message().await.unwrap(), None);
}

/// A member that stops ends the stream with an error; what it answered before that is in order and without a gap.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_ends_the_stream_behind_the_answers_given() {
    let mut cluster = Cluster::alone(&[]).await;
    let mut leases = grant(&cluster).await;
    let mut requests = std::iter::repeat_with(renewals).flatten();
    let mut expected = std::iter::repeat_with(renewals).flatten();
    let (say, said) = mpsc::unbounded_channel();
    for request in requests.by_ref().take(UNANSWERED) {
        say.send(request).unwrap();
    }
    let mut answers = leases.lease_keep_alive(UnboundedReceiverStream::new(said)).await.unwrap().into_inner();
    let mut answered = 0;
    let end = loop {
        match answers.message().await {
            Ok(Some(answer)) => assert_eq!(answer.id, expected.next().unwrap().id),
            Ok(None) => panic!("the stream ended as if the client had asked for it"),
            Err(end) => break end,
        }
        answered += 1;
        if answered == RENEWALS {
            cluster.members[0].ask_to_stop();
        }
        // There is nobody to say it to once the stream has ended, which the next answer tells.
        let _ = say.send(requests.next().unwrap());
    };
    assert_eq!(end.code(), Code::Unavailable, "{end}");
    assert!(cluster.members[0].ended().await.success());
}
