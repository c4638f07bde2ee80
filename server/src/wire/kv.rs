//! Range, Put, DeleteRange and Compact, in and out.

use super::error::status;
use super::key_value::KeyValue;
use crate::pb;
use crate::pb::range_request::{SortOrder as WireOrder, SortTarget as WireTarget};
use bytes::Bytes;
use detcd_engine::key_range::KeyRange;
use detcd_engine::request::{
    CompactRequest, DeleteRangeRequest, DeleteRangeResponse, LeaseId, PutLease, PutRequest, PutValue,
    RangeRequest, RangeResponse, RecordRef, RequestError, SortOrder, SortTarget,
};
use tonic::Status;

/// A (key, range_end) pair of the KV service, which wants a key.
pub(super) fn key_range(key: Bytes, range_end: Bytes) -> Result<KeyRange, RequestError> {
    if key.is_empty() { Err(RequestError::EmptyKey) } else { Ok(KeyRange::parse(key, range_end)) }
}

/// Refuses an empty key, then sort orders and targets this release does not know.
pub fn range_request(request: pb::RangeRequest) -> Result<RangeRequest, RequestError> {
    let range = key_range(request.key, request.range_end)?;
    let order = match WireOrder::try_from(request.sort_order) {
        Ok(WireOrder::None) => SortOrder::None,
        Ok(WireOrder::Ascend) => SortOrder::Ascend,
        Ok(WireOrder::Descend) => SortOrder::Descend,
        Err(_) => return Err(RequestError::InvalidSortOption),
    };
    let target = match WireTarget::try_from(request.sort_target) {
        Ok(WireTarget::Key) => SortTarget::Key,
        Ok(WireTarget::Version) => SortTarget::Version,
        Ok(WireTarget::Create) => SortTarget::Create,
        Ok(WireTarget::Mod) => SortTarget::Mod,
        Ok(WireTarget::Value) => SortTarget::Value,
        Err(_) => return Err(RequestError::InvalidSortOption),
    };
    Ok(RangeRequest {
        range,
        limit: u64::try_from(request.limit).unwrap_or(0),
        revision: request.revision,
        order,
        target,
        serializable: request.serializable,
        keys_only: request.keys_only,
        count_only: request.count_only,
        min_mod_revision: request.min_mod_revision,
        max_mod_revision: request.max_mod_revision,
        min_create_revision: request.min_create_revision,
        max_create_revision: request.max_create_revision,
    })
}

/// As `range_request`; then refuses what would have to see all keys before it can answer with the first.
pub fn range_stream_request(request: pb::RangeRequest) -> Result<RangeRequest, Status> {
    let range = range_request(request).map_err(status)?;
    let is_in_key_order = match range.order {
        // Whatever the target: etcd lets it through, and Range answers it.
        SortOrder::None => true,
        SortOrder::Ascend => range.target == SortTarget::Key,
        SortOrder::Descend => false,
    };
    if !is_in_key_order {
        return Err(Status::unimplemented("RangeStream does not support custom sort orders"));
    }
    if range.has_filters() {
        return Err(Status::unimplemented("RangeStream does not support revision filters"));
    }
    Ok(range)
}

/// The keys found. The records are not copied: they encode themselves into the frame.
pub fn range_response(header: Option<pb::ResponseHeader>, response: RangeResponse) -> pb::RangeResponse {
    let of: fn(RecordRef) -> KeyValue = if response.keys_only { KeyValue::keys_only } else { KeyValue::of };
    pb::RangeResponse {
        header,
        kvs: response.kvs.into_iter().map(of).collect(),
        more: response.more,
        count: count(response.count),
    }
}

/// Refuses an empty key, then a value or lease next to the flag that says to keep the present one.
pub fn put_request(request: pb::PutRequest) -> Result<PutRequest, RequestError> {
    if request.key.is_empty() {
        return Err(RequestError::EmptyKey);
    }
    let value = match (request.ignore_value, request.value.is_empty()) {
        (true, false) => return Err(RequestError::ValueProvided),
        (true, true) => PutValue::Keep,
        (false, _) => PutValue::Set(request.value),
    };
    let lease = match (request.ignore_lease, request.lease) {
        (true, 0) => PutLease::Keep,
        (true, _) => return Err(RequestError::LeaseProvided),
        (false, lease) => PutLease::Set(LeaseId(lease)),
    };
    Ok(PutRequest { key: request.key, value, lease, prev_kv: request.prev_kv })
}

/// The key as it was.
pub fn put_response(header: Option<pb::ResponseHeader>, prev_kv: Option<RecordRef>) -> pb::PutResponse {
    pb::PutResponse { header, prev_kv: prev_kv.map(KeyValue::of) }
}

/// Refuses an empty key.
pub fn delete_range_request(request: pb::DeleteRangeRequest) -> Result<DeleteRangeRequest, RequestError> {
    Ok(DeleteRangeRequest { range: key_range(request.key, request.range_end)?, prev_kv: request.prev_kv })
}

/// What was deleted.
pub fn delete_range_response(
    header: Option<pb::ResponseHeader>,
    response: DeleteRangeResponse,
) -> pb::DeleteRangeResponse {
    pb::DeleteRangeResponse {
        header,
        deleted: count(response.deleted),
        prev_kvs: response.prev_kvs.into_iter().map(KeyValue::of).collect(),
    }
}

/// As it is: which revisions can be compacted is the store's to say.
pub fn compact_request(request: pb::CompactionRequest) -> CompactRequest {
    CompactRequest { revision: request.revision, physical: request.physical }
}

pub(super) fn count(keys: u64) -> i64 {
    i64::try_from(keys).expect("a store holds fewer than 2^63 keys")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(key: &'static str) -> pb::RangeRequest {
        pb::RangeRequest { key: key.into(), ..pb::RangeRequest::default() }
    }

    #[test]
    fn a_range_without_a_key_is_refused_before_its_sort_option() {
        let request = pb::RangeRequest { sort_order: 9, range_end: Bytes::from_static(b"\0"), ..range("") };
        assert_eq!(range_request(request), Err(RequestError::EmptyKey));
    }

    #[test]
    fn sort_options_beyond_the_known_are_refused() {
        for (order, target, known) in [
            (0, 0, true),
            (2, 4, true),
            (1, 3, true),
            (3, 0, false),
            (0, 5, false),
            (-1, 0, false),
            (0, -1, false),
        ] {
            let request = pb::RangeRequest { sort_order: order, sort_target: target, ..range("a") };
            let refused = range_request(request) == Err(RequestError::InvalidSortOption);
            assert_eq!(refused, !known, "order {order}, target {target}");
        }
    }

    #[test]
    fn a_stream_is_of_keys_in_their_order_and_of_all_of_them() {
        const SORT: &str = "RangeStream does not support custom sort orders";
        const FILTER: &str = "RangeStream does not support revision filters";
        let refusal = |request| range_stream_request(request).err().map(|status| status.message().to_owned());
        for (order, target, refused) in
            [(0, 0, false), (0, 4, false), (1, 0, false), (1, 1, true), (2, 0, true), (2, 4, true)]
        {
            let request = pb::RangeRequest { sort_order: order, sort_target: target, ..range("a") };
            let expected = refused.then(|| SORT.to_owned());
            assert_eq!(refusal(request), expected, "order {order}, target {target}");
        }
        for filtered in [
            pb::RangeRequest { min_mod_revision: 1, ..range("a") },
            pb::RangeRequest { max_mod_revision: -1, ..range("a") },
            pb::RangeRequest { min_create_revision: 1, ..range("a") },
            pb::RangeRequest { max_create_revision: 1, ..range("a") },
        ] {
            assert_eq!(refusal(filtered.clone()).as_deref(), Some(FILTER));
            let sorted = pb::RangeRequest { sort_order: 2, ..filtered.clone() };
            assert_eq!(refusal(sorted).as_deref(), Some(SORT), "the order first");
            let nameless = pb::RangeRequest { key: Bytes::new(), ..filtered };
            assert_eq!(
                refusal(nameless).as_deref(),
                Some("etcdserver: key is not provided"),
                "the key first"
            );
        }
    }

    #[test]
    fn a_negative_limit_is_none() {
        let request = range_request(pb::RangeRequest { limit: -3, ..range("a") }).unwrap();
        assert_eq!(request.limit, 0);
    }

    #[test]
    fn put_shapes() {
        let put = |key: &'static str, value: &'static str, lease, ignore_value, ignore_lease| {
            put_request(pb::PutRequest {
                key: key.into(),
                value: value.into(),
                lease,
                prev_kv: false,
                ignore_value,
                ignore_lease,
            })
            .map(|put| (put.value, put.lease))
        };
        let set = |value: &'static str| PutValue::Set(value.into());
        assert_eq!(put("", "v", 1, true, true), Err(RequestError::EmptyKey));
        assert_eq!(put("k", "v", 1, true, true), Err(RequestError::ValueProvided));
        assert_eq!(put("k", "", 1, true, true), Err(RequestError::LeaseProvided));
        assert_eq!(put("k", "", 0, true, true), Ok((PutValue::Keep, PutLease::Keep)));
        assert_eq!(put("k", "", 0, false, false), Ok((set(""), PutLease::Set(LeaseId(0)))));
        assert_eq!(put("k", "v", -7, false, false), Ok((set("v"), PutLease::Set(LeaseId(-7)))));
    }

    #[test]
    fn a_delete_wants_a_key() {
        let request = pb::DeleteRangeRequest { range_end: Bytes::from_static(b"\0"), ..Default::default() };
        assert_eq!(delete_range_request(request), Err(RequestError::EmptyKey));
    }
}
