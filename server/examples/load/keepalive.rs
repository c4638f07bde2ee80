//! Lease renewals: one lease and one stream per client, the next renewal when the last is answered.

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

/// One lease and the stream that renews it.
pub(crate) struct Keepalive {
    lease: i64,
    requests: mpsc::Sender<LeaseKeepAliveRequest>,
    answers: Streaming<LeaseKeepAliveResponse>,
}

impl Keepalive {
    pub(crate) async fn open(channel: Channel) -> Result<Keepalive, Failure> {
        let mut client = LeaseClient::new(channel);
        let lease = client.lease_grant(LeaseGrantRequest { ttl: TTL, id: 0 }).await?.into_inner().id;
        let (requests, outgoing) = mpsc::channel(1);
        // The server may not answer the call itself before it has a first message.
        requests.send(LeaseKeepAliveRequest { id: lease }).await?;
        let mut answers = client.lease_keep_alive(ReceiverStream::new(outgoing)).await?.into_inner();
        answers.message().await?.ok_or("the keepalive stream ended")?;
        Ok(Keepalive { lease, requests, answers })
    }
}

impl Operation for Keepalive {
    async fn once(&mut self) -> Result<bool, Failure> {
        self.requests.send(LeaseKeepAliveRequest { id: self.lease }).await?;
        let answer = self.answers.message().await?.ok_or("the keepalive stream ended")?;
        if answer.ttl == TTL {
            Ok(true)
        } else {
            Err(format!("renewed for {} s instead of {TTL}", answer.ttl).into())
        }
    }
}
