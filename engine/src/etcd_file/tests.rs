//! States to files and back.

use super::*;
use crate::auth::{Auth, KeptRole, KeptUser};
use crate::bbolt::{ReadError, Reader};
use crate::ids::{LeaseId, MemberId};
use crate::key_range::KeyRange;
use crate::membership::InitialCluster;
use crate::mvcc::Store;
use crate::request::{Access, Alarm, AlarmKind, Permission, Secret};
use crate::state::State;
use bytes::Bytes;

const RELEASE: Release = Release { cluster_version: "3.7.0", storage_version: "3.7.0" };

fn cluster(token: &str) -> InitialCluster {
    InitialCluster::new(token, [vec!["http://a:2380".to_owned()], vec!["http://b:2380".to_owned()]])
}

fn auth() -> Auth {
    let permission = |access, key: &'static str, range_end: &'static str| Permission {
        access,
        key: key.into(),
        range_end: range_end.into(),
    };
    let granted = vec![
        permission(Access::Read, "a", ""),
        permission(Access::Write, "b", "\0"),
        permission(Access::ReadWrite, "", "z"),
    ];
    let role = |name: &str, permissions| KeptRole { name: name.to_owned(), permissions };
    let user = |name: &str, password: Option<&'static str>, roles: &[&str]| KeptUser {
        name: name.to_owned(),
        password: password.map(Secret::new),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
    };
    let roles = vec![role("root", Vec::new()), role("some", granted)];
    let users =
        vec![user("by certificate", None, &["some"]), user("root", Some("$2a$10$x"), &["root", "some"])];
    Auth::kept(true, 17, roles, users)
}

/// Some history, with leases, an alarm and a compaction whose memory is given back in part.
fn state() -> State {
    let mut state = State::first(&cluster("one"));
    for id in [7, -3, 500, i64::MIN] {
        state.leases.grant(LeaseId(id), 100).expect("a new id");
    }
    for round in 0_u32..200 {
        let key = Bytes::from(format!("key{}", round * 7 % 30));
        let lease = LeaseId([0, 7, -3][round as usize % 3]);
        let mut write = state.mvcc.write();
        if round % 5 == 4 {
            write.delete_range(&KeyRange::One(key));
        } else {
            let value = vec![round as u8; if round == 150 { 10_000 } else { 50 }];
            write.put(&key, &value, lease);
            write.put(b"other", &value, LeaseId(0));
        }
        write.finish();
    }
    state.mvcc.compact(100).expect("was reached");
    state.mvcc.compact_slice(30);
    state.alarms.insert(Alarm { kind: AlarmKind::NoSpace, member: MemberId(9) });
    state.auth = auth();
    state.applied = (1234, 5);
    state
}

fn file(state: &State, piece_bytes: usize) -> Vec<u8> {
    let mut export = Export::new(state.view(), RELEASE);
    let length = loop {
        if let Some(length) = export.measure() {
            break length;
        }
    };
    let mut file = Vec::new();
    while let Some(piece) = export.next_piece(piece_bytes) {
        file.extend(piece);
    }
    assert_eq!(file.len() as u64, length);
    file
}

fn read(file: &[u8]) -> Result<Contents, String> {
    let error = |error| match error {
        ImportError::Read(ReadError::Damaged(damage)) => damage.to_string(),
        ImportError::Read(ReadError::Source(never)) => match never {},
        ImportError::Content(problem) => problem,
    };
    let mut reader = Reader::open(file, file.len() as u64).map_err(|damage| error(damage.into()))?;
    Contents::read(&mut reader).map_err(error)
}

fn versions(store: &Store) -> Vec<crate::mvcc::RecordRef> {
    store.current().records().cloned().collect()
}

#[test]
fn a_state_comes_back_as_the_first_of_another_cluster() {
    let state = state();
    let whole = file(&state, usize::MAX);
    assert_eq!(file(&state, 1), whole, "in pieces of a page");
    let contents = read(&whole).expect("it was just written");
    assert_eq!((contents.revision(), contents.compacted_revision()), (state.mvcc.revision(), 100));
    let other = cluster("two");
    let restored = contents.into_state(&other).expect("it was a state");
    assert_eq!(versions(&restored.mvcc), versions(&state.mvcc));
    assert_eq!(restored.mvcc.hash(), state.mvcc.hash());
    assert_eq!(restored.alarms, state.alarms);
    let shown = |auth: &Auth| -> (Vec<KeptRole>, Vec<KeptUser>) {
        (auth.kept_roles().collect(), auth.kept_users().collect())
    };
    let by_key = |mut auth: (Vec<KeptRole>, Vec<KeptUser>)| {
        auth.0.iter_mut().for_each(|role| role.permissions.sort_by(|one, next| one.key.cmp(&next.key)));
        auth
    };
    assert_eq!(shown(&restored.auth), by_key(shown(&state.auth)));
    assert_eq!((restored.auth.is_enabled(), restored.auth.revision()), (true, 17));
    let ttls = |state: &State| -> Vec<(LeaseId, i64)> {
        let view = state.leases.view();
        view.iter().map(|lease| (lease.id, lease.granted_ttl_secs)).collect()
    };
    assert_eq!(ttls(&restored), ttls(&state));
    assert_eq!((restored.cluster, &restored.members), (other.id, &other.members));
    assert_eq!(restored.applied, (1, 1));
}

#[test]
fn what_a_compaction_has_not_forgotten_yet_makes_no_difference() {
    let (early, mut late) = (state(), state());
    while late.mvcc.compact_slice(1) {}
    assert_eq!(file(&early, 4096), file(&late, 4096));
}

#[test]
fn a_revision_moved_on_is_compacted_and_written_on_from() {
    let state = state();
    let mut contents = read(&file(&state, 4096)).expect("it was just written");
    contents.bump(1_000_000).expect("far from the end");
    let mut restored = contents.into_state(&cluster("two")).expect("it was a state");
    let bumped = state.mvcc.revision() + 1_000_000;
    assert_eq!((restored.mvcc.revision(), restored.mvcc.compacted_revision()), (bumped, bumped));
    let live = |store: &Store| store.current().records().filter(|record| !record.is_tombstone()).count();
    assert_eq!(live(&restored.mvcc), restored.mvcc.current().live(&KeyRange::From(Bytes::new())).count());
    let mut write = restored.mvcc.write();
    write.put(b"new", b"", LeaseId(0));
    write.finish();
    // And again, from what was restored.
    let again = read(&file(&restored, 4096)).expect("it was just written");
    assert_eq!((again.revision(), again.compacted_revision()), (bumped + 1, bumped));
    assert_eq!(again.into_state(&cluster("two")).expect("a state").mvcc.hash(), restored.mvcc.hash());
    assert!(read(&file(&state, 4096)).expect("as above").bump(u64::MAX).is_err());
}

#[test]
fn what_cannot_be_carried_over_is_refused() {
    let with = |storage_version| {
        let mut export = Export::new(state().view(), Release { storage_version, ..RELEASE });
        while export.measure().is_none() {}
        let pieces = std::iter::from_fn(|| export.next_piece(4096));
        read(&pieces.flatten().collect::<Vec<u8>>()).map(|_| ())
    };
    assert_eq!(with("3.6.0"), Ok(()));
    let newer = with("3.8.0").expect_err("a newer release");
    assert!(newer.starts_with("its storage version is 3.8.0, this release reads up to 3.7"), "{newer}");
    assert_eq!(with("x"), Err("its storage version is \"x\"".to_owned()));
    let no_etcd = [&crate::bbolt::meta_pages(2, 3)[..], &[2, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0], &[0; 4084]];
    assert_eq!(
        read(&no_etcd.concat()).map(|_| ()),
        Err("it has no bucket \"key\": it is not etcd's".to_owned())
    );
}
