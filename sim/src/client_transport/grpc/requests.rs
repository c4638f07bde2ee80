//! Converts the engine's requests to etcd's messages, as a client library does.

use detcd_engine::ids::WatchId;
use detcd_engine::request::{
    AlarmKind, AlarmRequest, CompactRequest, Compare, CompareOperand, CompareResult, DeleteRangeRequest,
    LeaseGrantRequest, LeaseTimeToLiveRequest, PutLease, PutRequest, PutValue, RangeRequest, SortOrder,
    SortTarget, Txn, TxnOp,
};
use detcd_engine::watch::{WatchCreate, WatchInput};
use server_sim::pb;
use server_sim::pb::compare::{CompareResult as WireResult, CompareTarget, TargetUnion};
use server_sim::pb::request_op::Request as WireOp;
use server_sim::pb::watch_create_request::FilterType;
use server_sim::pb::watch_request::RequestUnion;

/// A number that no release knows: where the engine has a case for what it does not know.
const UNKNOWN: i32 = 99;

pub(super) fn range(request: RangeRequest) -> pb::RangeRequest {
    let (key, range_end) = request.range.into_pair();
    let order = match request.order {
        SortOrder::None => pb::range_request::SortOrder::None,
        SortOrder::Ascend => pb::range_request::SortOrder::Ascend,
        SortOrder::Descend => pb::range_request::SortOrder::Descend,
    };
    let target = match request.target {
        SortTarget::Key => pb::range_request::SortTarget::Key,
        SortTarget::Version => pb::range_request::SortTarget::Version,
        SortTarget::Create => pb::range_request::SortTarget::Create,
        SortTarget::Mod => pb::range_request::SortTarget::Mod,
        SortTarget::Value => pb::range_request::SortTarget::Value,
    };
    pb::RangeRequest {
        key,
        range_end,
        limit: i64::try_from(request.limit).expect("a small limit"),
        revision: request.revision,
        sort_order: order.into(),
        sort_target: target.into(),
        serializable: request.serializable,
        keys_only: request.keys_only,
        count_only: request.count_only,
        min_mod_revision: request.min_mod_revision,
        max_mod_revision: request.max_mod_revision,
        min_create_revision: request.min_create_revision,
        max_create_revision: request.max_create_revision,
    }
}

pub(super) fn put(request: PutRequest) -> pb::PutRequest {
    let (value, ignore_value) = match request.value {
        PutValue::Set(value) => (value, false),
        PutValue::Keep => (Default::default(), true),
    };
    let (lease, ignore_lease) = match request.lease {
        PutLease::Set(lease) => (lease.0, false),
        PutLease::Keep => (0, true),
    };
    pb::PutRequest { key: request.key, value, lease, prev_kv: request.prev_kv, ignore_value, ignore_lease }
}

pub(super) fn delete_range(request: DeleteRangeRequest) -> pb::DeleteRangeRequest {
    let (key, range_end) = request.range.into_pair();
    pb::DeleteRangeRequest { key, range_end, prev_kv: request.prev_kv }
}

pub(super) fn txn(request: Txn) -> pb::TxnRequest {
    pb::TxnRequest {
        compare: request.compares.into_iter().map(compare).collect(),
        success: request.success.into_iter().map(operation).collect(),
        failure: request.failure.into_iter().map(operation).collect(),
    }
}

fn operation(op: TxnOp) -> pb::RequestOp {
    let request = match op {
        TxnOp::Range(request) => WireOp::RequestRange(range(request)),
        TxnOp::Put(request) => WireOp::RequestPut(put(request)),
        TxnOp::DeleteRange(request) => WireOp::RequestDeleteRange(delete_range(request)),
        TxnOp::Txn(request) => WireOp::RequestTxn(txn(request)),
    };
    pb::RequestOp { request: Some(request) }
}

fn compare(compare: Compare) -> pb::Compare {
    let (key, range_end) = compare.range.into_pair();
    let result = match compare.result {
        CompareResult::Equal => WireResult::Equal.into(),
        CompareResult::Greater => WireResult::Greater.into(),
        CompareResult::Less => WireResult::Less.into(),
        CompareResult::NotEqual => WireResult::NotEqual.into(),
        CompareResult::Always => UNKNOWN,
    };
    let (target, target_union) = match compare.operand {
        CompareOperand::Version(version) => (CompareTarget::Version.into(), TargetUnion::Version(version)),
        CompareOperand::Create(revision) => {
            (CompareTarget::Create.into(), TargetUnion::CreateRevision(revision))
        }
        CompareOperand::Mod(revision) => (CompareTarget::Mod.into(), TargetUnion::ModRevision(revision)),
        CompareOperand::Value(value) => (CompareTarget::Value.into(), TargetUnion::Value(value)),
        CompareOperand::Lease(lease) => (CompareTarget::Lease.into(), TargetUnion::Lease(lease)),
        CompareOperand::Unknown => (UNKNOWN, TargetUnion::Version(0)),
    };
    pb::Compare { result, target, key, range_end, target_union: Some(target_union) }
}

pub(super) fn compact(request: CompactRequest) -> pb::CompactionRequest {
    pb::CompactionRequest { revision: request.revision, physical: request.physical }
}

pub(super) fn lease_grant(request: LeaseGrantRequest) -> pb::LeaseGrantRequest {
    pb::LeaseGrantRequest { ttl: request.ttl_secs, id: request.id.0 }
}

pub(super) fn lease_time_to_live(request: LeaseTimeToLiveRequest) -> pb::LeaseTimeToLiveRequest {
    pb::LeaseTimeToLiveRequest { id: request.id.0, keys: request.keys }
}

pub(super) fn alarm(request: AlarmRequest) -> pb::AlarmRequest {
    use pb::alarm_request::AlarmAction;
    let kind = |kind| match kind {
        AlarmKind::NoSpace => pb::AlarmType::Nospace,
        AlarmKind::Corrupt => pb::AlarmType::Corrupt,
    };
    let (action, member_id, alarm) = match request {
        AlarmRequest::List(None) => (AlarmAction::Get, 0, pb::AlarmType::None),
        AlarmRequest::List(Some(of)) => (AlarmAction::Get, 0, kind(of)),
        AlarmRequest::Activate(alarm) => (AlarmAction::Activate, alarm.member.0, kind(alarm.kind)),
        AlarmRequest::Deactivate(alarm) => (AlarmAction::Deactivate, alarm.member.0, kind(alarm.kind)),
    };
    pb::AlarmRequest { action: action.into(), member_id, alarm: alarm.into() }
}

pub(super) fn watch(ask: WatchInput) -> pb::WatchRequest {
    let request = match ask {
        WatchInput::Create(create) => RequestUnion::CreateRequest(watch_create(create)),
        WatchInput::Cancel(WatchId(watch_id)) => {
            RequestUnion::CancelRequest(pb::WatchCancelRequest { watch_id })
        }
        WatchInput::Progress => RequestUnion::ProgressRequest(pb::WatchProgressRequest {}),
        WatchInput::Open { .. } | WatchInput::Drained { .. } | WatchInput::Close => {
            unreachable!("gRPC says it by itself: {ask:?}")
        }
    };
    pb::WatchRequest { request_union: Some(request) }
}

fn watch_create(create: WatchCreate) -> pb::WatchCreateRequest {
    let (key, range_end) = create.range.into_pair();
    let filters = [(create.no_put, FilterType::Noput), (create.no_delete, FilterType::Nodelete)];
    pb::WatchCreateRequest {
        key,
        range_end,
        start_revision: create.start_revision,
        progress_notify: create.progress_notify,
        filters: filters.into_iter().filter(|(is_set, _)| *is_set).map(|(_, filter)| filter.into()).collect(),
        prev_kv: create.prev_kv,
        watch_id: create.id.map_or(0, |id| id.0),
        fragment: create.fragment,
    }
}

#[cfg(test)]
mod tests {
    use super::super::messages::encoded_and_decoded;
    use super::*;
    use detcd_engine::key_range::KeyRange;
    use detcd_engine::request::LeaseId;
    use server_sim::wire;

    fn some_range(order: SortOrder, target: SortTarget, range: KeyRange) -> RangeRequest {
        RangeRequest {
            limit: 3,
            revision: -1,
            order,
            target,
            serializable: true,
            keys_only: true,
            count_only: true,
            min_mod_revision: 4,
            max_mod_revision: 5,
            min_create_revision: 6,
            max_create_revision: 7,
            ..RangeRequest::of(range)
        }
    }

    /// What the server makes of a message is what the client asked for.
    #[test]
    fn the_server_understands_what_the_client_says() {
        let key = || bytes::Bytes::from_static(b"k");
        let spans = [
            KeyRange::One(key()),
            KeyRange::From(key()),
            KeyRange::Span { start: key(), end: b"z".as_slice().into() },
        ];
        let orders = [SortOrder::None, SortOrder::Ascend, SortOrder::Descend];
        let targets =
            [SortTarget::Key, SortTarget::Version, SortTarget::Create, SortTarget::Mod, SortTarget::Value];
        let ranges: Vec<RangeRequest> = (0..15)
            .map(|place| some_range(orders[place % 3], targets[place % 5], spans[place % 3].clone()))
            .collect();
        for asked in &ranges {
            assert_eq!(
                wire::kv::range_request(encoded_and_decoded(range(asked.clone()))).as_ref(),
                Ok(asked)
            );
        }
        let puts = [
            (PutValue::Set(key()), PutLease::Set(LeaseId(-3))),
            (PutValue::Keep, PutLease::Set(LeaseId(0))),
            (PutValue::Set(bytes::Bytes::new()), PutLease::Keep),
        ]
        .map(|(value, lease)| PutRequest { key: key(), value, lease, prev_kv: true });
        for asked in &puts {
            assert_eq!(wire::kv::put_request(encoded_and_decoded(put(asked.clone()))).as_ref(), Ok(asked));
        }
        let results = [
            CompareResult::Equal,
            CompareResult::Greater,
            CompareResult::Less,
            CompareResult::NotEqual,
            CompareResult::Always,
        ];
        let operands = [
            CompareOperand::Version(1),
            CompareOperand::Create(2),
            CompareOperand::Mod(3),
            CompareOperand::Value(key()),
            CompareOperand::Lease(4),
            CompareOperand::Unknown,
        ];
        let compares = operands.into_iter().enumerate().map(|(place, operand)| Compare {
            range: spans[place % 3].clone(),
            result: results[place % 5],
            operand,
        });
        let inner = Txn {
            compares: compares.collect(),
            success: puts.iter().cloned().map(TxnOp::Put).collect(),
            failure: ranges.into_iter().map(TxnOp::Range).collect(),
        };
        let delete = DeleteRangeRequest { range: spans[2].clone(), prev_kv: true };
        let asked = Txn {
            compares: Vec::new(),
            success: vec![TxnOp::Txn(inner), TxnOp::DeleteRange(delete)],
            failure: Vec::new(),
        };
        assert_eq!(wire::txn::txn_request(encoded_and_decoded(txn(asked.clone())), 128), Ok(asked));
    }

    #[test]
    fn the_server_understands_what_a_watcher_asks() {
        for (id, no_put, no_delete) in
            [(None, false, true), (Some(WatchId(7)), true, false), (None, true, true)]
        {
            let create = WatchInput::Create(WatchCreate {
                id,
                range: KeyRange::From(b"\0".as_slice().into()),
                start_revision: -1,
                progress_notify: no_put,
                no_put,
                no_delete,
                prev_kv: no_delete,
                fragment: true,
            });
            for asked in [create, WatchInput::Cancel(WatchId(9)), WatchInput::Progress] {
                assert_eq!(
                    wire::watch::watch_request(encoded_and_decoded(watch(asked.clone()))),
                    Some(asked)
                );
            }
        }
    }
}
