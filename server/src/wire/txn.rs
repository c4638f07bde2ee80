//! Txn, in and out.
//!
//! A request is refused for its first fault in etcd's order: at each level the lengths of its three lists, then keys
//! of compares, then the operations one by one. Duplicate keys come last; `engine/txn/check` looks for those once the
//! tree is built.

use super::encoded_txn::{self, EncodedTxn, Level, LevelOp};
use super::{header, kv};
use crate::pb;
use crate::pb::compare::{CompareResult as WireResult, CompareTarget as WireTarget, TargetUnion};
use crate::pb::response_op::Response as WireResponse;
use bytes::Bytes;
use detcd_engine::request::{
    Compare, CompareOperand, CompareResult, RequestError, Txn, TxnOp, TxnOpResponse, TxnResponse,
};

/// A transaction whose lists hold at most `max_ops` each; a nested one has what its parent's longest list left.
/// How deep they nest is bounded where the request came in.
pub fn txn_request(request: impl Into<EncodedTxn>, max_ops: usize) -> Result<Txn, RequestError> {
    level(request.into().level(), max_ops)
}

fn level(level: Level, max_ops: usize) -> Result<Txn, RequestError> {
    let longest = level.compares.len().max(level.success.len()).max(level.failure.len());
    let Some(left) = max_ops.checked_sub(longest) else {
        return Err(RequestError::TooManyOps);
    };
    let compares = all(level.compares, |encoded| compare(encoded_txn::compare(encoded)))?;
    let success = all(level.success, |encoded| operation(encoded, left))?;
    let failure = all(level.failure, |encoded| operation(encoded, left))?;
    Ok(Txn { compares, success, failure })
}

/// As `collect` would, but in a list of just the size: many nested lists of one would hold three spare places each.
fn all<T>(
    encoded: Vec<Bytes>,
    parse: impl Fn(Bytes) -> Result<T, RequestError>,
) -> Result<Vec<T>, RequestError> {
    let mut parsed = Vec::with_capacity(encoded.len());
    for encoded in encoded {
        parsed.push(parse(encoded)?);
    }
    Ok(parsed)
}

fn operation(encoded: Bytes, left: usize) -> Result<TxnOp, RequestError> {
    match encoded_txn::operation(encoded) {
        Some(LevelOp::Range(range)) => kv::range_request(range).map(TxnOp::Range),
        Some(LevelOp::Put(put)) => kv::put_request(put).map(TxnOp::Put),
        Some(LevelOp::DeleteRange(delete)) => kv::delete_range_request(delete).map(TxnOp::DeleteRange),
        Some(LevelOp::Txn(nested)) => level(nested, left).map(TxnOp::Txn),
        None => Err(RequestError::KeyNotFound),
    }
}

/// A result or target this release does not know compares as true; an operand of another target counts as 0 or
/// empty. Both as in etcd.
fn compare(compare: pb::Compare) -> Result<Compare, RequestError> {
    let range = kv::key_range(compare.key, compare.range_end)?;
    let result = match WireResult::try_from(compare.result) {
        Ok(WireResult::Equal) => CompareResult::Equal,
        Ok(WireResult::Greater) => CompareResult::Greater,
        Ok(WireResult::Less) => CompareResult::Less,
        Ok(WireResult::NotEqual) => CompareResult::NotEqual,
        Err(_) => CompareResult::Always,
    };
    let operand = match (WireTarget::try_from(compare.target), compare.target_union) {
        (Ok(WireTarget::Version), Some(TargetUnion::Version(version))) => CompareOperand::Version(version),
        (Ok(WireTarget::Version), _) => CompareOperand::Version(0),
        (Ok(WireTarget::Create), Some(TargetUnion::CreateRevision(created))) => {
            CompareOperand::Create(created)
        }
        (Ok(WireTarget::Create), _) => CompareOperand::Create(0),
        (Ok(WireTarget::Mod), Some(TargetUnion::ModRevision(changed))) => CompareOperand::Mod(changed),
        (Ok(WireTarget::Mod), _) => CompareOperand::Mod(0),
        (Ok(WireTarget::Value), Some(TargetUnion::Value(value))) => CompareOperand::Value(value),
        (Ok(WireTarget::Value), _) => CompareOperand::Value(Bytes::new()),
        (Ok(WireTarget::Lease), Some(TargetUnion::Lease(lease))) => CompareOperand::Lease(lease),
        (Ok(WireTarget::Lease), _) => CompareOperand::Lease(0),
        (Err(_), _) => CompareOperand::Unknown,
    };
    Ok(Compare { range, result, operand })
}

/// What a transaction did. `header` is the outermost one's: etcd gives a nested transaction an empty header, and its
/// operations the revision alone (docs/etcd-notes.md#headers-inside-a-transaction).
pub fn txn_response(header: Option<pb::ResponseHeader>, response: TxnResponse) -> pb::TxnResponse {
    let responses = response
        .responses
        .into_iter()
        .map(|response| pb::ResponseOp { response: Some(operation_response(response)) });
    pb::TxnResponse { header, succeeded: response.succeeded, responses: responses.collect() }
}

fn operation_response(response: TxnOpResponse) -> WireResponse {
    match response {
        TxnOpResponse::Range { revision, response } => {
            WireResponse::ResponseRange(kv::range_response(header::within_txn(revision), response))
        }
        TxnOpResponse::Put { revision, prev_kv } => {
            WireResponse::ResponsePut(kv::put_response(header::within_txn(revision), prev_kv))
        }
        TxnOpResponse::DeleteRange { revision, response } => WireResponse::ResponseDeleteRange(
            kv::delete_range_response(header::within_txn(revision), response),
        ),
        TxnOpResponse::Txn(response) => {
            WireResponse::ResponseTxn(txn_response(Some(pb::ResponseHeader::default()), response))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pb::request_op::Request as WireOp;

    fn op(request: WireOp) -> pb::RequestOp {
        pb::RequestOp { request: Some(request) }
    }

    fn put(key: &'static str) -> pb::RequestOp {
        op(WireOp::RequestPut(pb::PutRequest { key: key.into(), ..Default::default() }))
    }

    fn nested(success: Vec<pb::RequestOp>) -> pb::RequestOp {
        op(WireOp::RequestTxn(pb::TxnRequest { success, ..Default::default() }))
    }

    fn refusal(request: pb::TxnRequest, max_ops: usize) -> Option<RequestError> {
        txn_request(request, max_ops).err()
    }

    #[test]
    fn the_first_fault_in_the_order_of_etcd_is_named() {
        let nameless = pb::Compare::default();
        let too_long = pb::TxnRequest {
            compare: vec![nameless.clone()],
            success: vec![put(""), put("a"), put("b")],
            ..Default::default()
        };
        assert_eq!(refusal(too_long, 2), Some(RequestError::TooManyOps), "lengths before keys");

        let compare_first = pb::TxnRequest {
            compare: vec![nameless],
            success: vec![pb::RequestOp::default()],
            ..Default::default()
        };
        assert_eq!(refusal(compare_first, 2), Some(RequestError::EmptyKey), "compares before operations");

        let empty_op = pb::TxnRequest {
            success: vec![pb::RequestOp::default()],
            failure: vec![put("")],
            ..Default::default()
        };
        assert_eq!(refusal(empty_op, 2), Some(RequestError::KeyNotFound), "success before failure");
    }

    #[test]
    fn a_nested_txn_has_what_its_parent_left() {
        let request = |inner: usize| pb::TxnRequest {
            success: vec![put("a"), nested((0..inner).map(|_| put("b")).collect())],
            ..Default::default()
        };
        assert_eq!(refusal(request(3), 5), None);
        assert_eq!(refusal(request(4), 5), Some(RequestError::TooManyOps));
    }

    #[test]
    fn compares_of_unknown_kinds_and_operands_are_kept_as_such() {
        let parse = |result, target, target_union| {
            let parsed =
                compare(pb::Compare { result, target, key: "k".into(), target_union, ..Default::default() });
            parsed.map(|compare| (compare.result, compare.operand)).unwrap()
        };
        use CompareOperand as Operand;
        assert_eq!(parse(0, 0, Some(TargetUnion::Version(3))), (CompareResult::Equal, Operand::Version(3)));
        assert_eq!(parse(1, 2, Some(TargetUnion::Version(3))), (CompareResult::Greater, Operand::Mod(0)));
        assert_eq!(parse(2, 3, None), (CompareResult::Less, Operand::Value(Bytes::new())));
        assert_eq!(parse(3, 4, Some(TargetUnion::Lease(9))), (CompareResult::NotEqual, Operand::Lease(9)));
        assert_eq!(parse(7, 9, None), (CompareResult::Always, Operand::Unknown));
    }

    #[test]
    fn headers_inside_a_txn_carry_the_revision_alone() {
        let inner = TxnResponse {
            succeeded: false,
            responses: vec![TxnOpResponse::Put { revision: 9, prev_kv: None }],
        };
        let outer = TxnResponse {
            succeeded: true,
            responses: vec![TxnOpResponse::Put { revision: 8, prev_kv: None }, TxnOpResponse::Txn(inner)],
        };
        let response = txn_response(None, outer);
        let Some(WireResponse::ResponsePut(put)) = &response.responses[0].response else { panic!("a put") };
        assert_eq!(put.header, Some(pb::ResponseHeader { revision: 8, ..Default::default() }));
        let Some(WireResponse::ResponseTxn(txn)) = &response.responses[1].response else { panic!("a txn") };
        assert_eq!(txn.header, Some(pb::ResponseHeader::default()));
    }
}
