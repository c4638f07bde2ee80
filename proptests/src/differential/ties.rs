//! The one order that etcd leaves open: equal values, versions or revisions under a sort.
//!
//! Go's sort is stable up to twelve items, and so is ours: there answers are compared as they are. Above that only
//! what is defined is compared: which sort keys come in which order, and which keys share one; of the last ones, when
//! a limit cut them, only how many.

use bytes::Bytes;
use prost_reflect::{DynamicMessage, ReflectMessage, Value};

/// Go sorts up to so many items by insertion.
const STABLE_MAX: i64 = 12;

/// Brings an answer to `request` (a Range, a Txn, or anything else) into one of its equal orders.
pub(crate) fn settle(request: &DynamicMessage, answer: &mut DynamicMessage) {
    match request.descriptor().name() {
        "RangeRequest" => range(request, answer),
        "TxnRequest" => txn(request, answer),
        _ => {}
    }
}

fn txn(request: &DynamicMessage, answer: &mut DynamicMessage) {
    let succeeded = number(answer, "succeeded") != 0;
    let branch = request.get_field_by_name(if succeeded { "success" } else { "failure" });
    let Some(Value::List(responses)) = answer.get_field_by_name_mut("responses") else { return };
    let operations = branch.as_ref().and_then(|branch| branch.as_list()).unwrap_or(&[]);
    for (operation, response) in operations.iter().zip(responses) {
        let (Some(operation), Some(response)) = (operation.as_message(), response.as_message_mut()) else {
            continue;
        };
        let inner = operation.fields().find_map(|(_, value)| value.as_message());
        let told = response.fields_mut().find_map(|(_, value)| value.as_message_mut());
        if let (Some(inner), Some(told)) = (inner, told) {
            settle(inner, told);
        }
    }
}

fn range(request: &DynamicMessage, answer: &mut DynamicMessage) {
    let target = number(request, "sort_target");
    if target == 0 || number(answer, "count") <= STABLE_MAX {
        return;
    }
    let is_cut = number(answer, "more") != 0;
    // Sorted by what is then left out: nothing in the answer says which of them are equal.
    let hidden = target == 4 && number(request, "keys_only") != 0;
    let Some(Value::List(kvs)) = answer.get_field_by_name_mut("kvs") else { return };
    let key_of = |kv: &Value| if hidden { Bytes::new() } else { sort_key(kv, target) };
    let last = kvs.last().map(&key_of);
    if is_cut {
        for kv in kvs.iter_mut().filter(|kv| Some(key_of(kv)) == last) {
            if let Some(kv) = kv.as_message_mut() {
                forget_who(kv, target);
            }
        }
    }
    for group in kvs.chunk_by_mut(|one, other| key_of(one) == key_of(other)) {
        group.sort_by_cached_key(|kv| kv.as_message().map(|kv| field(kv, "key")));
    }
}

/// Leaves the field it was sorted by.
fn forget_who(kv: &mut DynamicMessage, target: i64) {
    for name in ["key", "version", "create_revision", "mod_revision", "value", "lease"] {
        if name != name_of(target) {
            kv.clear_field_by_name(name);
        }
    }
}

fn name_of(target: i64) -> &'static str {
    ["key", "version", "create_revision", "mod_revision", "value"]
        [usize::try_from(target).unwrap_or(0).min(4)]
}

fn sort_key(kv: &Value, target: i64) -> Bytes {
    kv.as_message().map(|kv| field(kv, name_of(target))).unwrap_or_default()
}

/// A field's bytes, whatever its type: equal bytes are equal values.
fn field(message: &DynamicMessage, name: &str) -> Bytes {
    match message.get_field_by_name(name).as_deref() {
        Some(Value::Bytes(bytes)) => bytes.clone(),
        Some(Value::I64(number)) => Bytes::copy_from_slice(&number.to_be_bytes()),
        _ => Bytes::new(),
    }
}

fn number(message: &DynamicMessage, name: &str) -> i64 {
    match message.get_field_by_name(name).as_deref() {
        Some(Value::I64(number)) => *number,
        Some(Value::EnumNumber(number)) => i64::from(*number),
        Some(Value::Bool(is)) => i64::from(*is),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Rpc;

    /// Two answers of thirteen keys, of which two stand in another order.
    fn differ(request: &str, one: &str, other: &str, rest: &str) -> bool {
        let rpc = Rpc::named("Range").unwrap();
        let request = DynamicMessage::parse_text_format(rpc.input(), request).unwrap();
        let settled = |kvs: &str| {
            let mut answer =
                DynamicMessage::parse_text_format(rpc.output(), &format!("{kvs} {rest}")).unwrap();
            settle(&request, &mut answer);
            answer
        };
        settled(one) != settled(other)
    }

    #[test]
    fn equal_sort_keys_may_stand_in_any_order_and_others_may_not() {
        let (a, b) = ("kvs{key:\"a\",version:1}", "kvs{key:\"b\",version:1}");
        let (ab, ba) = (format!("{a} {b}"), format!("{b} {a}"));
        assert!(!differ("sort_target:VERSION", &ab, &ba, "count:13"));
        assert!(differ("sort_target:VERSION", &ab, &ba, "count:12"), "small answers have one order");
        assert!(differ("sort_target:KEY", &ab, &ba, "count:13"));
        let c = "kvs{key:\"b\",version:2}";
        assert!(differ("sort_target:VERSION", &format!("{a} {c}"), &format!("{c} {a}"), "count:13"));
    }

    #[test]
    fn a_limit_may_cut_any_of_the_equal_ones() {
        let (a, b) = ("kvs{key:\"a\",version:1,value:\"x\"}", "kvs{key:\"b\",version:1}");
        assert!(!differ("sort_target:VERSION", a, b, "count:13 more:true"));
        assert!(differ("sort_target:VERSION", a, b, "count:13"));
        assert!(differ("sort_target:VERSION", a, "kvs{key:\"b\",version:2}", "count:13 more:true"));
    }
}
