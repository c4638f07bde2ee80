//! A set: elements are keys under a prefix that only ever get added, and reads of the whole.

use super::client::{Client, put};
use super::keys::prefix;
use bytes::Bytes;
use detcd_engine::request::{RangeRequest, Request};

/// Elements that one client adds: reads of a set grow with it.
const ELEMENTS_MAX: usize = 60;

/// One client, to the end.
pub async fn run(mut client: Client) {
    let mut added = 0;
    while client.goes_on().await {
        if added == ELEMENTS_MAX || client.stream.happens(300_000) {
            let serializable = client.stream.happens(client.load.serializable_per_million);
            client.read(RangeRequest { serializable, ..RangeRequest::of(prefix(b"set/")) }).await;
            continue;
        }
        added += 1;
        let (element, value) = (Bytes::from(format!("set/{}.{added}", client.place)), client.value());
        client.ask_with_retries(Request::Put(put(&element, value))).await;
    }
}
