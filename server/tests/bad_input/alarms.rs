//! The quota, and the alarm that it raises.

use super::Holdings;
use crate::processes::{Cluster, Process, put};
use detcd::pb;
use pb::alarm_request::AlarmAction;
use pb::maintenance_client::MaintenanceClient;
use tonic::Code;

const FULL: (Code, &str) = (Code::ResourceExhausted, "etcdserver: mvcc: database space exceeded");

async fn alarms(member: &Process, action: AlarmAction) -> Vec<i32> {
    let alarm = match action {
        AlarmAction::Get => pb::AlarmType::None,
        AlarmAction::Activate | AlarmAction::Deactivate => pb::AlarmType::Nospace,
    };
    let request = pb::AlarmRequest { action: action.into(), member_id: 0, alarm: alarm.into() };
    // Disarming names the member, as etcdctl does with what it was told.
    let member_id = member.inspect().await.unwrap().member;
    let mut client = MaintenanceClient::new(member.channel());
    let answer = client.alarm(pb::AlarmRequest { member_id, ..request }).await.unwrap().into_inner();
    assert!(answer.alarms.iter().all(|alarm| alarm.member_id == member_id), "{answer:?}");
    answer.alarms.iter().map(|alarm| alarm.alarm).collect()
}

async fn refused(member: &Process) {
    let before = Holdings::of(member).await;
    let refusal = member.kv().put(put("more", vec![b'v'; 1000])).await.unwrap_err();
    assert_eq!((refusal.code(), refusal.message()), FULL);
    let create = pb::LeaseGrantRequest { ttl: 60, id: 0 };
    let refusal = pb::lease_client::LeaseClient::new(member.channel()).lease_grant(create).await.unwrap_err();
    assert_eq!((refusal.code(), refusal.message()), FULL);
    assert_eq!(Holdings::of(member).await, before);
}

#[tokio::test]
async fn a_full_member_says_so_until_there_is_room_and_the_alarm_is_disarmed() {
    let nospace = i32::from(pb::AlarmType::Nospace);
    let mut cluster = Cluster::alone(&["--quota-backend-bytes=65536"]).await;
    let member = &cluster.members[0];
    let mut number = 0;
    let refusal = loop {
        match member.kv().put(put(format!("key {number}"), vec![b'v'; 1000])).await {
            Ok(_) => number += 1,
            Err(refusal) => break refusal,
        }
        assert!(number < 100, "{number} kB in 64 kB");
    };
    assert_eq!((refusal.code(), refusal.message()), FULL);
    assert!(number > 20, "full after {number} kB");
    crate::processes::eventually("the alarm", || async {
        (alarms(member, AlarmAction::Get).await == [nospace]).then_some(())
    })
    .await;
    refused(member).await;

    // An alarm is replicated state: it survives the process.
    cluster.members[0].kill();
    cluster.start_all();
    let member = &cluster.members[0];
    member.ready().await;
    assert_eq!(alarms(member, AlarmAction::Get).await, [nospace]);
    refused(member).await;

    // Deletes and compactions go through: they are the way out.
    let all = pb::DeleteRangeRequest { key: "k".into(), range_end: "l".into(), ..Default::default() };
    let deleted = member.kv().delete_range(all).await.unwrap().into_inner();
    assert_eq!(deleted.deleted, number);
    let revision = deleted.header.unwrap_or_default().revision;
    member.kv().compact(pb::CompactionRequest { revision, physical: true }).await.unwrap();
    refused(member).await;
    assert_eq!(alarms(member, AlarmAction::Deactivate).await, [nospace]);
    assert_eq!(alarms(member, AlarmAction::Get).await, [0; 0]);
    member.kv().put(put("more", vec![b'v'; 1000])).await.unwrap();
}
