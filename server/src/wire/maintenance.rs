//! Members, alarms and status.

use crate::pb;
use detcd_engine::engine::Status;
use detcd_engine::etcd_file::KvHash;
use detcd_engine::ids::MemberId;
use detcd_engine::request::{Alarm, AlarmKind, AlarmRequest, Member, RequestError};

/// The release of etcd this server behaves as. Clients parse it to learn what they may ask
/// (docs/etcd-notes.md#version).
pub const ETCD_VERSION: &str = "3.7.1";
/// The version of a cluster of such members: its minor release.
pub const CLUSTER_VERSION: &str = "3.7.0";
/// The storage version a member of that release reports.
pub const STORAGE_VERSION: &str = "3.7.0";

/// An alarm request; `None` where it concerns no alarm at all (kind NONE or unknown) and so changes and finds
/// nothing, as in etcd.
pub fn alarm_request(request: pb::AlarmRequest) -> Result<Option<AlarmRequest>, RequestError> {
    use pb::alarm_request::AlarmAction;
    let kind = match pb::AlarmType::try_from(request.alarm) {
        Ok(pb::AlarmType::Nospace) => Some(AlarmKind::NoSpace),
        Ok(pb::AlarmType::Corrupt) => Some(AlarmKind::Corrupt),
        Ok(pb::AlarmType::None) | Err(_) => None,
    };
    let alarm = kind.map(|kind| Alarm { kind, member: MemberId(request.member_id) });
    match AlarmAction::try_from(request.action) {
        Ok(AlarmAction::Get) if request.alarm == i32::from(pb::AlarmType::None) => {
            Ok(Some(AlarmRequest::List(None)))
        }
        Ok(AlarmAction::Get) => Ok(kind.map(|kind| AlarmRequest::List(Some(kind)))),
        Ok(AlarmAction::Activate) => Ok(alarm.map(AlarmRequest::Activate)),
        Ok(AlarmAction::Deactivate) => Ok(alarm.map(AlarmRequest::Deactivate)),
        Err(_) => Err(RequestError::UnknownMethod),
    }
}

/// The alarms.
pub fn alarm_response(header: Option<pb::ResponseHeader>, alarms: Vec<Alarm>) -> pb::AlarmResponse {
    let alarms = alarms
        .into_iter()
        .map(|alarm| pb::AlarmMember { member_id: alarm.member.0, alarm: alarm_type(alarm.kind).into() });
    pb::AlarmResponse { header, alarms: alarms.collect() }
}

fn alarm_type(kind: AlarmKind) -> pb::AlarmType {
    match kind {
        AlarmKind::NoSpace => pb::AlarmType::Nospace,
        AlarmKind::Corrupt => pb::AlarmType::Corrupt,
    }
}

/// The members. The header of an answer about the cluster carries no revision.
pub fn member_list_response(
    header: Option<pb::ResponseHeader>,
    members: Vec<Member>,
) -> pb::MemberListResponse {
    let members = members.into_iter().map(|member| pb::Member {
        id: member.id.0,
        name: member.name,
        peer_ur_ls: member.peer_urls,
        client_ur_ls: member.client_urls,
        is_learner: member.is_learner,
    });
    pb::MemberListResponse { header, members: members.collect() }
}

/// Where the member stands.
pub fn status_response(header: Option<pb::ResponseHeader>, status: Status) -> pb::StatusResponse {
    let no_leader = status.leader.is_none().then(|| RequestError::NoLeader.to_string());
    // As Go prints the message: a field that is zero is left out.
    let alarms = status.alarms.iter().map(|alarm| {
        let member = Some(alarm.member.0).filter(|id| *id != 0).map(|id| format!("memberID:{id} "));
        format!("{}alarm:{}", member.unwrap_or_default(), alarm_type(alarm.kind).as_str_name())
    });
    pb::StatusResponse {
        header,
        version: ETCD_VERSION.to_owned(),
        // etcd's size is that of a file, of which a compaction frees parts: so history is in use, and what is forgotten not.
        db_size: occupied(status.state_bytes.saturating_add(status.forgotten_bytes)),
        leader: status.leader.map_or(0, |leader| leader.0),
        raft_index: status.committed,
        raft_term: status.term,
        raft_applied_index: status.applied,
        errors: no_leader.into_iter().chain(alarms).collect(),
        db_size_in_use: occupied(status.state_bytes),
        is_learner: status.is_learner,
        storage_version: STORAGE_VERSION.to_owned(),
        db_size_quota: byte_count(status.quota_bytes),
        downgrade_info: Some(pb::DowngradeInfo::default()),
    }
}

/// The hash of a revision.
pub fn hash_kv_response(header: Option<pb::ResponseHeader>, hash: KvHash) -> pb::HashKvResponse {
    let KvHash { crc, compacted_revision, revision } = hash;
    pb::HashKvResponse { header, hash: crc, compact_revision: compacted_revision, hash_revision: revision }
}

/// Of an empty store one byte: etcd's file is never empty, and etcdctl divides by its size.
fn occupied(bytes: u64) -> i64 {
    byte_count(bytes.max(1))
}

/// A quota that is switched off is the largest number there is.
fn byte_count(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(action: i32, member_id: u64, alarm: i32) -> pb::AlarmRequest {
        pb::AlarmRequest { action, member_id, alarm }
    }

    #[test]
    fn alarm_requests() {
        let no_space = Alarm { kind: AlarmKind::NoSpace, member: MemberId(7) };
        for (action, alarm, expected) in [
            (0, 0, Ok(Some(AlarmRequest::List(None)))),
            (0, 1, Ok(Some(AlarmRequest::List(Some(AlarmKind::NoSpace))))),
            (0, 9, Ok(None)),
            (1, 1, Ok(Some(AlarmRequest::Activate(no_space)))),
            (1, 0, Ok(None)),
            (2, 1, Ok(Some(AlarmRequest::Deactivate(no_space)))),
            (2, 0, Ok(None)),
            (3, 1, Err(RequestError::UnknownMethod)),
        ] {
            assert_eq!(alarm_request(request(action, 7, alarm)), expected, "action {action}, alarm {alarm}");
        }
    }

    #[test]
    fn an_empty_store_has_a_size() {
        let response = status_response(None, Status::default());
        assert_eq!((response.db_size, response.db_size_in_use), (1, 1));
    }

    #[test]
    fn history_is_in_use_and_what_is_forgotten_is_not() {
        let status = Status { state_bytes: 70, forgotten_bytes: 30, live_bytes: 20, ..Status::default() };
        let response = status_response(None, status);
        assert_eq!((response.db_size, response.db_size_in_use), (100, 70));
    }

    #[test]
    fn status_names_a_missing_leader_and_every_alarm() {
        let status = Status {
            alarms: vec![
                Alarm { kind: AlarmKind::NoSpace, member: MemberId(10) },
                Alarm { kind: AlarmKind::Corrupt, member: MemberId(0) },
            ],
            quota_bytes: u64::MAX,
            ..Status::default()
        };
        let response = status_response(None, status);
        assert_eq!(response.errors, ["etcdserver: no leader", "memberID:10 alarm:NOSPACE", "alarm:CORRUPT"]);
        assert_eq!(response.db_size_quota, i64::MAX);
        assert_eq!((response.version.as_str(), response.storage_version.as_str()), ("3.7.1", "3.7.0"));
    }
}
