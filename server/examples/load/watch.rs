//! Fan-out: one writer, many watchers of its key. Every put carries the time it was due, so that each event tells how
//! long it took to arrive.

use crate::Failure;
use crate::drive::{Operation, Pace, Tally, Window, drive};
use bytes::Bytes;
use detcd::pb::kv_client::KvClient;
use detcd::pb::watch_client::WatchClient;
use detcd::pb::{PutRequest, WatchCreateRequest, WatchRequest, WatchResponse, watch_request};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Channel;

const KEY: Bytes = Bytes::from_static(b"/load/watched");

/// How long to wait for events after the writer stopped.
const SILENCE: Duration = Duration::from_millis(500);

/// The writer.
pub(crate) struct Writer {
    client: KvClient<Channel>,
    /// What the times in the values count from.
    epoch: Instant,
    value_size: usize,
}

impl Operation for Writer {
    async fn once(&mut self) -> Result<bool, Failure> {
        let sent = u64::try_from(self.epoch.elapsed().as_micros()).expect("fewer than 2^64 us");
        let mut value = sent.to_be_bytes().to_vec();
        value.resize(self.value_size.max(8), b'v');
        self.client.put(PutRequest { key: KEY, value: value.into(), ..PutRequest::default() }).await?;
        Ok(true)
    }
}

/// Some watchers of the key on one stream.
pub(crate) struct Watchers {
    answers: Streaming<WatchResponse>,
    /// Keeps the request half open: the server ends a stream whose client has finished sending.
    _requests: mpsc::Sender<WatchRequest>,
}

impl Watchers {
    /// Opens a stream with `count` watchers and waits until all are created.
    pub(crate) async fn open(channel: Channel, count: usize) -> Result<Watchers, Failure> {
        let (requests, outgoing) = mpsc::channel(count);
        for _ in 0..count {
            let create = WatchCreateRequest { key: KEY, ..WatchCreateRequest::default() };
            let request_union = Some(watch_request::RequestUnion::CreateRequest(create));
            requests.send(WatchRequest { request_union }).await?;
        }
        let mut answers = WatchClient::new(channel).watch(ReceiverStream::new(outgoing)).await?.into_inner();
        for _ in 0..count {
            let answer = answers.message().await?.ok_or("the watch stream ended")?;
            if !answer.created || answer.canceled {
                return Err(format!("a watch was refused: {}", answer.cancel_reason).into());
            }
        }
        Ok(Watchers { answers, _requests: requests })
    }

    async fn receive(mut self, epoch: Instant, window: Window) -> Tally {
        let mut tally = Tally::default();
        let end = window.end + SILENCE;
        while let Ok(answer) = tokio::time::timeout_at(end.into(), self.answers.message()).await {
            let now = Instant::now();
            match answer {
                Ok(Some(answer)) => {
                    for event in &answer.events {
                        let kv = event.decoded().kv.unwrap_or_default();
                        let sent =
                            kv.value().first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes));
                        tally.record(window, epoch + Duration::from_micros(sent), now);
                    }
                }
                Ok(None) => return ended(tally, &"the watch stream ended".into()),
                Err(status) => return ended(tally, &status.into()),
            }
        }
        tally
    }
}

fn ended(mut tally: Tally, why: &Failure) -> Tally {
    tally.fail(why);
    tally
}

/// Runs the writer on `channel` and all watchers; the tally counts events.
pub(crate) async fn fan_out(
    channel: Channel,
    watchers: Vec<Watchers>,
    value_size: usize,
    pace: Pace,
    window: Window,
) -> Result<Tally, Failure> {
    let epoch = Instant::now();
    let receivers: Vec<_> = watchers.into_iter().map(|w| tokio::spawn(w.receive(epoch, window))).collect();
    let written = drive(Writer { client: KvClient::new(channel), epoch, value_size }, pace, window).await;
    let mut tally = Tally { errors: written.errors, first_error: written.first_error, ..Tally::default() };
    for receiver in receivers {
        tally.merge(receiver.await?);
    }
    Ok(tally)
}
