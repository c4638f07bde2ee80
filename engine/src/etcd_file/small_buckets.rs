//! What etcd's file holds besides versions and leases: a few entries a bucket (`users` are the larger ones of them).
//!
//! Members that were removed are not there yet: their bucket is empty, as that of a new etcd.

use super::protobuf::PutField;
use super::users;
use super::{Entry, key_bucket};
use crate::membership::Member;
use crate::request::AlarmKind;
use crate::state::StateView;

/// The release of etcd that the file says it is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Release {
    /// The cluster's version: "3.7.0".
    pub cluster_version: &'static str,
    /// The version of the file's schema.
    pub storage_version: &'static str,
}

/// The entries of a bucket, in ascending order.
pub(super) fn entries(bucket: Small, state: &StateView, release: &Release) -> Vec<Entry> {
    let mut entries = match bucket {
        Small::Alarm => alarms(state),
        Small::Auth => users::flags(&state.auth),
        Small::Roles => users::roles(&state.auth),
        Small::Users => users::users(&state.auth),
        Small::Cluster => vec![(b"clusterVersion".to_vec(), release.cluster_version.as_bytes().to_vec())],
        Small::Members => members(state),
        Small::Meta => meta(state, release),
        Small::Empty => Vec::new(),
    };
    entries.sort();
    entries
}

/// A bucket of a few entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Small {
    Alarm,
    Auth,
    Roles,
    Users,
    Cluster,
    Members,
    Meta,
    Empty,
}

/// Alarms are keys (`etcdserverpb.AlarmMember`) without values.
fn alarms(state: &StateView) -> Vec<Entry> {
    let alarms = state.alarms.iter().map(|alarm| {
        let mut key = Vec::new();
        key.put_varint_field(1, alarm.member.0);
        key.put_varint_field(2, alarm_number(alarm.kind));
        (key, Vec::new())
    });
    alarms.collect()
}

/// etcd's `AlarmType`.
pub(super) fn alarm_number(kind: AlarmKind) -> u64 {
    match kind {
        AlarmKind::NoSpace => 1,
        AlarmKind::Corrupt => 2,
    }
}

fn members(state: &StateView) -> Vec<Entry> {
    let members =
        state.members.values().map(|member| (format!("{:x}", member.id.0).into_bytes(), json(member)));
    members.collect()
}

/// etcd's `membership.Member`.
fn json(member: &Member) -> Vec<u8> {
    let mut json = format!("{{\"id\":{},\"peerURLs\":{}", member.id.0, strings(&member.peer_urls));
    if member.is_learner {
        json.push_str(",\"isLearner\":true");
    }
    if !member.name.is_empty() {
        json.push_str(&format!(",\"name\":{}", string(&member.name)));
    }
    if !member.client_urls.is_empty() {
        json.push_str(&format!(",\"clientURLs\":{}", strings(&member.client_urls)));
    }
    json.push('}');
    json.into_bytes()
}

fn strings(texts: &[String]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| string(text)).collect();
    format!("[{}]", texts.join(","))
}

/// As Go's encoder writes it, which escapes what means something in HTML, too.
fn string(text: &str) -> String {
    let mut json = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\t' => json.push_str("\\t"),
            '\0'..' ' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                json.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            other => json.push(other),
        }
    }
    json.push('"');
    json
}

fn meta(state: &StateView, release: &Release) -> Vec<Entry> {
    let (index, term) = state.applied;
    let (learners, voters): (Vec<&Member>, Vec<&Member>) =
        state.members.values().partition(|member| member.is_learner);
    let mut entries = vec![
        (b"confState".to_vec(), conf_state(&voters, &learners).into_bytes()),
        (b"consistent_index".to_vec(), index.to_be_bytes().to_vec()),
        (b"storageVersion".to_vec(), release.storage_version.as_bytes().to_vec()),
        (b"term".to_vec(), term.to_be_bytes().to_vec()),
    ];
    let compacted = state.mvcc.compacted_revision();
    if compacted >= 0 {
        for name in ["scheduledCompactRev", "finishedCompactRev"] {
            entries.push((name.as_bytes().to_vec(), key_bucket::revision(compacted, 0).to_vec()));
        }
    }
    entries
}

/// raft's `ConfState`, as Go encodes it.
fn conf_state(voters: &[&Member], learners: &[&Member]) -> String {
    let ids = |members: &[&Member]| {
        let ids: Vec<String> = members.iter().map(|member| member.id.0.to_string()).collect();
        ids.join(",")
    };
    let mut json = format!("{{\"voters\":[{}]", ids(voters));
    if !learners.is_empty() {
        json.push_str(&format!(",\"learners\":[{}]", ids(learners)));
    }
    json.push_str(",\"auto_leave\":false}");
    json
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::MemberId;

    #[test]
    fn a_member_as_go_encodes_it() {
        let mut member = Member {
            id: MemberId(0x0a),
            name: String::new(),
            peer_urls: vec!["http://a?x&y".to_owned(), "http://b".to_owned()],
            client_urls: Vec::new(),
            is_learner: false,
            incarnation: None,
        };
        let text = |member: &Member| String::from_utf8(json(member)).expect("JSON is text");
        assert_eq!(text(&member), r#"{"id":10,"peerURLs":["http://a?x\u0026y","http://b"]}"#);
        (member.name, member.is_learner) = ("a \"name\"\u{1}".to_owned(), true);
        member.client_urls = vec!["http://c".to_owned()];
        let expected = r#"{"id":10,"peerURLs":["http://a?x\u0026y","http://b"],"isLearner":true,"name":"a \"name\"\u0001","clientURLs":["http://c"]}"#;
        assert_eq!(text(&member), expected);
    }
}
