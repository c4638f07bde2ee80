//! Range reads in all their forms: limits, orders, filters, counts, keys alone; of now, of the past, of revisions
//! that are compacted or yet to come.

use super::client::Client;
use super::keys::{everything, prefix};
use detcd_engine::request::{RangeRequest, Request, SortOrder, SortTarget};

/// One client, to the end.
pub async fn run(mut client: Client) {
    let mut newest = 1;
    while client.goes_on().await {
        let range = RangeRequest {
            serializable: client.stream.happens(client.load.serializable_per_million),
            ..draw(&mut client, newest)
        };
        if let Some(reply) = client.done(Request::Range(range)).await {
            newest = newest.max(reply.revision);
        }
    }
}

/// A range; the newest revision that the client knows is where the past begins.
pub(super) fn draw(client: &mut Client, newest: i64) -> RangeRequest {
    let range = match client.stream.index(6) {
        0 => everything(),
        1 => prefix(b"set/"),
        2 => prefix(b"k"),
        _ => client.some_keys(),
    };
    let revision = draw_revision(client, newest);
    let stream = &mut client.stream;
    let recent = newest - stream.within(0..20).cast_signed();
    let mut bound = |per_million| if stream.happens(per_million) { recent.max(1) } else { 0 };
    let (min_mod_revision, max_mod_revision) = (bound(100_000), bound(50_000));
    let (min_create_revision, max_create_revision) = (bound(50_000), bound(50_000));
    RangeRequest {
        limit: stream.pick(&[0, 0, 0, 1, 2, 5]),
        revision,
        order: stream.pick(&[SortOrder::None, SortOrder::Ascend, SortOrder::Descend]),
        target: stream.pick(&[
            SortTarget::Key,
            SortTarget::Key,
            SortTarget::Version,
            SortTarget::Create,
            SortTarget::Mod,
            SortTarget::Value,
        ]),
        keys_only: stream.happens(100_000),
        count_only: stream.happens(100_000),
        min_mod_revision,
        max_mod_revision,
        min_create_revision,
        max_create_revision,
        ..RangeRequest::of(range)
    }
}

/// Now, mostly; else about the compacted revision, or one of the past or the future.
fn draw_revision(client: &mut Client, newest: i64) -> i64 {
    let compacted = client.event_log.compacted();
    match client.stream.index(10) {
        0 => compacted - 1,
        1 => compacted,
        2 => newest + 1,
        3 | 4 => 1 + client.stream.within(0..newest.unsigned_abs()).cast_signed(),
        5 => newest,
        _ => 0,
    }
}
