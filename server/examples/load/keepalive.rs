//! Lease renewals: one stream per client, with one lease or many. All leases of a stream are renewed at once, without
//! waiting for an answer in between; the next time is when the last answer is there.

use crate::Failure;
use crate::drive::Operation;
use detcd::pb::lease_client::LeaseClient;
use detcd::pb::{LeaseGrantRequest, LeaseKeepAliveRequest, LeaseKeepAliveResponse};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Channel;

/// Seconds: no lease ends during a run.
const TTL: i64 = 3_600;

/// Some leases and the stream that renews them.
pub(crate) struct Keepalive {
    leases: Vec<i64>,
    /// How many of them are answered.
    answered: usize,
    requests: mpsc::Sender<LeaseKeepAliveRequest>,
    answers: Streaming<LeaseKeepAliveResponse>,
}

impl Keepalive {
    pub(crate) async fn open(channel: Channel, count: usize) -> Result<Keepalive, Failure> {
        let mut client = LeaseClient::new(channel);
        let mut leases = Vec::with_capacity(count);
        for _ in 0..count {
            leases.push(client.lease_grant(LeaseGrantRequest { ttl: TTL, id: 0 }).await?.into_inner().id);
        }
        let (requests, outgoing) = mpsc::channel(count);
        // The server may not answer the call itself before it has a first message.
        requests.send(LeaseKeepAliveRequest { id: leases[0] }).await?;
        let mut answers = client.lease_keep_alive(ReceiverStream::new(outgoing)).await?.into_inner();
        answers.message().await?.ok_or("the keepalive stream ended")?;
        Ok(Keepalive { answered: count, leases, requests, answers })
    }
}

impl Operation for Keepalive {
    async fn once(&mut self) -> Result<bool, Failure> {
        if self.answered == self.leases.len() {
            for id in &self.leases {
                self.requests.send(LeaseKeepAliveRequest { id: *id }).await?;
            }
            self.answered = 0;
        }
        let answer = self.answers.message().await?.ok_or("the keepalive stream ended")?;
        let lease = self.leases[self.answered];
        self.answered += 1;
        if (answer.id, answer.ttl) == (lease, TTL) {
            Ok(true)
        } else {
            Err(format!("lease {} renewed for {} s instead of {lease} for {TTL}", answer.id, answer.ttl)
                .into())
        }
    }
}
