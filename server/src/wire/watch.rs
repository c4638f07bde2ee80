//! Watch messages, in and out.

use super::event::Event;
use super::header::Headers;
use crate::encoded_events::EncodedEvents;
use crate::pb;
use bytes::Bytes;
use detcd_engine::ids::WatchId;
use detcd_engine::key_range::KeyRange;
use detcd_engine::request::RequestError;
use detcd_engine::watch::{WatchCreate, WatchInput, WatchResponse};

/// Speaks of a watch that was refused, or of all watches of a stream.
pub const NO_WATCH: WatchId = WatchId(-1);

/// What a client asks on a watch stream; `None` for an empty message, which etcd passes over.
pub fn watch_request(request: pb::WatchRequest) -> Option<WatchInput> {
    use pb::watch_request::RequestUnion;
    match request.request_union? {
        RequestUnion::CreateRequest(create) => Some(WatchInput::Create(create_request(create))),
        RequestUnion::CancelRequest(cancel) => Some(WatchInput::Cancel(WatchId(cancel.watch_id))),
        RequestUnion::ProgressRequest(_) => Some(WatchInput::Progress),
    }
}

/// Alone among etcd's requests a watch may come without a key: it then starts at the first key there can be.
fn create_request(create: pb::WatchCreateRequest) -> WatchCreate {
    use pb::watch_create_request::FilterType;
    let key = if create.key.is_empty() { Bytes::from_static(b"\0") } else { create.key };
    let filtered = |filter: FilterType| create.filters.contains(&i32::from(filter));
    WatchCreate {
        id: (create.watch_id != 0).then_some(WatchId(create.watch_id)),
        range: KeyRange::parse(key, create.range_end),
        start_revision: create.start_revision,
        progress_notify: create.progress_notify,
        no_put: filtered(FilterType::Noput),
        no_delete: filtered(FilterType::Nodelete),
        prev_kv: create.prev_kv,
        fragment: create.fragment,
    }
}

/// A response as the client gets it, or the refusal that ends the stream.
pub fn watch_response(
    headers: Headers,
    term: u64,
    response: WatchResponse<EncodedEvents>,
) -> Result<pb::WatchResponse, RequestError> {
    let blank = |id: WatchId, revision: i64| pb::WatchResponse {
        header: headers.at(revision, term),
        watch_id: id.0,
        ..pb::WatchResponse::default()
    };
    Ok(match response {
        WatchResponse::Created { id, revision } => pb::WatchResponse { created: true, ..blank(id, revision) },
        WatchResponse::Rejected { revision, reason } => pb::WatchResponse {
            created: true,
            canceled: true,
            cancel_reason: reason.to_string(),
            ..blank(NO_WATCH, revision)
        },
        WatchResponse::Events { id, revision, events, fragment } => pb::WatchResponse {
            events: events.bodies().iter().cloned().map(Event::of_encoded).collect(),
            fragment,
            ..blank(id, revision)
        },
        WatchResponse::Progress { id, revision } => blank(id, revision),
        WatchResponse::Canceled { id, revision } => {
            pb::WatchResponse { canceled: true, ..blank(id, revision) }
        }
        WatchResponse::Compacted { id, compact_revision } => {
            pb::WatchResponse { canceled: true, compact_revision, ..blank(id, 0) }
        }
        WatchResponse::NoLeader => return Err(RequestError::NoLeader),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use detcd_engine::ids::{ClusterId, MemberId};
    use detcd_engine::watch::WatchRefusal;

    const HEADERS: Headers = Headers { cluster: ClusterId(1), member: MemberId(2) };

    fn on_wire(response: WatchResponse<EncodedEvents>) -> pb::WatchResponse {
        watch_response(HEADERS, 3, response).unwrap()
    }

    #[test]
    fn a_watch_without_a_key_starts_at_the_first_there_can_be() {
        let create = create_request(pb::WatchCreateRequest {
            range_end: Bytes::from_static(b"\0"),
            filters: vec![1, 77],
            ..Default::default()
        });
        assert_eq!(create.range, KeyRange::From(Bytes::from_static(b"\0")));
        assert_eq!((create.id, create.no_put, create.no_delete), (None, false, true));
    }

    #[test]
    fn a_refused_watch_is_created_and_canceled_at_once() {
        let refused = on_wire(WatchResponse::Rejected { revision: 5, reason: WatchRefusal::EmptyRange });
        assert_eq!((refused.watch_id, refused.created, refused.canceled), (-1, true, true));
        assert_eq!(refused.cancel_reason, "mvcc: watcher range is empty");
        assert_eq!(refused.header.unwrap().revision, 5);
    }

    #[test]
    fn a_compacted_watch_is_canceled_with_revision_0_and_no_reason() {
        let compacted = on_wire(WatchResponse::Compacted { id: WatchId(4), compact_revision: 9 });
        assert_eq!((compacted.watch_id, compacted.canceled, compacted.compact_revision), (4, true, 9));
        assert_eq!((compacted.header.unwrap().revision, compacted.cancel_reason.as_str()), (0, ""));
    }

    #[test]
    fn a_stream_without_a_leader_ends() {
        let ended = watch_response(HEADERS, 3, WatchResponse::NoLeader);
        assert_eq!(ended, Err(RequestError::NoLeader));
    }
}
