//! What two servers may rightly answer differently, made equal: ids, terms, sizes, times, and the orders that etcd
//! does not define. Nothing else is touched; docs/compatibility.md lists every line of this file.

use crate::symbols::{Known, each_number};
use prost_reflect::{DynamicMessage, ReflectMessage, Value};

/// An answer without what is this server's own. A number that is there stays there, as 1: that it is missing would be
/// a difference.
pub(crate) fn own(mut answer: DynamicMessage, known: &Known) -> DynamicMessage {
    if let Some(Value::Message(header)) = answer.get_field_by_name_mut_if_set("header") {
        for name in ["cluster_id", "member_id", "raft_term"] {
            to_one(header, name);
        }
    }
    known.abstract_ids(&mut answer);
    match answer.descriptor().name() {
        "StatusResponse" => status(&mut answer, known.member),
        "MemberListResponse" => members(&mut answer),
        "AlarmResponse" => sort(&mut answer, "alarms"),
        "LeaseTimeToLiveResponse" => sort(&mut answer, "keys"),
        _ => {}
    }
    answer
}

/// Seconds that are left of a lease pass while the two are asked, so they may differ by `slack_secs`; the first
/// answer's are then put in place of the second's.
pub(crate) fn times(one: &DynamicMessage, other: &mut DynamicMessage, slack_secs: i64) {
    if one.descriptor().name() != "LeaseTimeToLiveResponse" {
        return;
    }
    let left =
        |answer: &DynamicMessage| answer.get_field_by_name("TTL").and_then(|ttl| ttl.as_i64()).unwrap_or(0);
    let (ours, theirs) = (left(one), left(other));
    if ours > 0 && theirs > 0 && (ours - theirs).abs() <= slack_secs {
        other.set_field_by_name("TTL", Value::I64(ours));
    }
}

fn status(answer: &mut DynamicMessage, member: u64) {
    for name in ["raftIndex", "raftAppliedIndex", "raftTerm"] {
        to_one(answer, name);
    }
    // There is no file that has a size when nothing is in it.
    for name in ["dbSize", "dbSizeInUse"] {
        answer.set_field_by_name(name, Value::I64(1));
    }
    // Go's protobuf library varies the number of spaces on purpose.
    let own_id = member.to_string();
    each_number(answer, &mut |name, value| {
        if let (true, Value::String(text)) = (name == "errors", value) {
            *text = text.replace(&own_id, "1").split_whitespace().collect::<Vec<_>>().join(" ");
        }
    });
    sort(answer, "errors");
}

fn members(answer: &mut DynamicMessage) {
    each_number(answer, &mut |name, value| {
        if let (true, Value::String(url)) = (name.ends_with("URLs"), value) {
            *url = "here".to_owned();
        }
    });
}

fn to_one(message: &mut DynamicMessage, name: &str) {
    match message.get_field_by_name_mut_if_set(name) {
        Some(Value::I64(number)) => *number = 1,
        Some(Value::U64(number)) => *number = 1,
        _ => {}
    }
}

/// Sorts a repeated field by the text of its items.
fn sort(message: &mut DynamicMessage, name: &str) {
    if let Some(Value::List(items)) = message.get_field_by_name_mut_if_set(name) {
        items.sort_by_cached_key(Value::to_string);
    }
}

/// `get_field_by_name_mut` sets what it finds unset; this does not.
trait IfSet {
    fn get_field_by_name_mut_if_set(&mut self, name: &str) -> Option<&mut Value>;
}

impl IfSet for DynamicMessage {
    fn get_field_by_name_mut_if_set(&mut self, name: &str) -> Option<&mut Value> {
        if self.has_field_by_name(name) { self.get_field_by_name_mut(name) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Rpc;

    fn answer(rpc: &str, text: &str) -> DynamicMessage {
        DynamicMessage::parse_text_format(Rpc::named(rpc).unwrap().output(), text).unwrap()
    }

    fn normalized(rpc: &str, text: &str) -> String {
        let known = Known { member: 77, leases: vec![500], ..Known::default() };
        own(answer(rpc, text), &known).to_text_format()
    }

    #[test]
    fn a_header_keeps_its_revision_and_which_fields_it_has() {
        let header = "header{cluster_id:9,member_id:77,revision:4,raft_term:3}";
        assert_eq!(normalized("Put", header), "header{cluster_id:1,member_id:1,revision:4,raft_term:1}");
        assert_eq!(normalized("Put", "header{revision:4}"), "header{revision:4}");
    }

    #[test]
    fn own_ids_and_chosen_leases_become_symbols() {
        assert_eq!(normalized("LeaseGrant", "ID:500,TTL:60"), "ID:6000000000000000000,TTL:60");
        let alarms =
            normalized("Alarm", "alarms{memberID:99,alarm:NOSPACE},alarms{memberID:77,alarm:CORRUPT}");
        assert_eq!(alarms, "alarms:[{memberID:1,alarm:CORRUPT},{memberID:99,alarm:NOSPACE}]");
    }

    #[test]
    fn only_seconds_that_passed_are_forgiven() {
        let one = answer("LeaseTimeToLive", "TTL:100,grantedTTL:100");
        for (text, is_equal) in
            [("TTL:98,grantedTTL:100", true), ("TTL:90,grantedTTL:100", false), ("TTL:-1", false)]
        {
            let mut other = answer("LeaseTimeToLive", text);
            times(&one, &mut other, 3);
            assert_eq!(one == other, is_equal, "{text}");
        }
    }
}
