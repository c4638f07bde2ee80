//! Who may touch what: every range of a small world, against sets of keys.

use crate::cases;
use bytes::Bytes;
use detcd_engine::auth::{Asked, Auth};
use detcd_engine::request::{Access, AuthChange, Caller, Identity, Permission};
use detcd_proptests::reference::KeyRange;
use detcd_proptests::reference::auth::{Auth as Reference, Opens, World};
use detcd_proptests::translate;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

const USERS: [&str; 4] = ["alice", "bob", "carol", "root"];
const ROLES: [&str; 4] = ["one", "two", "three", "root"];
/// With the least byte there is, which also follows a key that stands alone.
const ALPHABET: &[u8] = b"\0ab";

/// What granted and asked ranges begin and end in.
fn short_keys() -> Vec<Bytes> {
    World::of(ALPHABET, 2).keys().to_vec()
}

/// Every range there is between short keys, those that end before they begin included.
fn every_range() -> Vec<KeyRange> {
    let keys = short_keys();
    let ends = || std::iter::once(Bytes::new()).chain(keys.clone());
    keys.iter().flat_map(|key| ends().map(|end| KeyRange::new(key.clone(), end))).collect()
}

fn permission((access, keys): (Access, KeyRange)) -> Permission {
    Permission { access, key: keys.key, range_end: keys.range_end }
}

fn granted() -> impl Strategy<Value = Permission> + Clone {
    (select(Access::ALL), select(every_range())).prop_map(permission)
}

fn changes() -> impl Strategy<Value = AuthChange> + Clone {
    let user = || select(&USERS[..]).prop_map(str::to_owned);
    let role = || select(&ROLES[..]).prop_map(str::to_owned);
    prop_oneof![
        6 => (role(), granted())
            .prop_map(|(role, granted)| AuthChange::RoleGrantPermission { role, permission: Some(granted) }),
        2 => (role(), granted()).prop_map(|(role, Permission { key, range_end, .. })| {
            AuthChange::RoleRevokePermission { role, key, range_end }
        }),
        4 => (user(), role()).prop_map(|(user, role)| AuthChange::UserGrantRole { user, role }),
        1 => (user(), role()).prop_map(|(user, role)| AuthChange::UserRevokeRole { user, role }),
        1 => role().prop_map(AuthChange::RoleAdd),
        1 => role().prop_map(AuthChange::RoleDelete),
        1 => user().prop_map(|name| AuthChange::UserAdd { name, password: None }),
        1 => user().prop_map(AuthChange::UserDelete),
    ]
}

/// Users, roles and auth that is on.
fn beginning() -> Vec<AuthChange> {
    let users = USERS.iter().map(|name| AuthChange::UserAdd { name: (*name).to_owned(), password: None });
    let roles = ROLES.iter().map(|name| AuthChange::RoleAdd((*name).to_owned()));
    let grants = [("root", "root"), ("alice", "one"), ("alice", "two"), ("bob", "three")]
        .map(|(user, role)| AuthChange::UserGrantRole { user: user.to_owned(), role: role.to_owned() });
    users.chain(roles).chain(grants).chain([AuthChange::Enable]).collect()
}

/// What a change that was not refused does to the reference. A range that was granted a second time, from a key with
/// several, is there twice, and that opens what both open.
fn follow(reference: &mut Reference, change: &AuthChange, revision: u64) {
    reference.revision = revision;
    match change.clone() {
        AuthChange::Enable => reference.enabled = true,
        AuthChange::UserAdd { name, .. } => drop(reference.users.insert(name, Default::default())),
        AuthChange::UserDelete(name) => drop(reference.users.remove(&name)),
        AuthChange::UserGrantRole { user, role } => {
            reference.users.get_mut(&user).expect("not refused").insert(role);
        }
        AuthChange::UserRevokeRole { user, role } => {
            reference.users.get_mut(&user).expect("not refused").remove(&role);
        }
        AuthChange::RoleAdd(name) => drop(reference.roles.insert(name, Vec::new())),
        AuthChange::RoleDelete(name) => {
            reference.roles.remove(&name);
            for roles in reference.users.values_mut() {
                roles.remove(&name);
            }
        }
        AuthChange::RoleGrantPermission { role, permission } => {
            let Permission { access, key, range_end } = permission.expect("not refused");
            let opens = match access {
                Access::Read => Opens::Read,
                Access::Write => Opens::Write,
                Access::ReadWrite => Opens::Both,
            };
            let granted = reference.roles.get_mut(&role).expect("not refused");
            let keys = KeyRange::new(key.clone(), range_end);
            let first = granted.iter().position(|(_, there)| there.key == key);
            match first.filter(|at| granted[*at].1 == keys) {
                Some(at) => granted[at].0 = opens,
                None => granted.push((opens, keys)),
            }
        }
        AuthChange::RoleRevokePermission { role, key, range_end } => {
            let keys = KeyRange::new(key, range_end);
            reference.roles.get_mut(&role).expect("not refused").retain(|(_, there)| *there != keys);
        }
        AuthChange::Disable | AuthChange::UserChangePassword { .. } => unreachable!("not drawn"),
    }
}

proptest! {
    #![proptest_config(cases(64))]

    /// Some 1,900 decisions a case.
    #[test]
    fn every_range_is_decided_as_sets_of_keys_say(changes in vec(changes(), 0..40)) {
        let world = World::of(ALPHABET, 3);
        let (mut auth, mut reference) = (Auth::default(), Reference::default());
        for change in beginning().iter().chain(&changes) {
            if auth.change(change).is_ok() {
                follow(&mut reference, change, auth.revision());
            }
        }
        for keys in every_range() {
            let range = translate::key_range(&keys);
            for (name, behind) in [("alice", 0), ("bob", 0), ("carol", 0), ("root", 0), ("stranger", 0), ("alice", 1)] {
                let auth_revision = auth.revision() - behind;
                let caller = Caller::User(Identity { name: name.to_owned(), auth_revision });
                for (is_write, asked) in [(false, Asked::Read(&range)), (true, Asked::Write(&range))] {
                    let expected = reference.refusal(&world, Some((name, auth_revision)), is_write, &keys);
                    let found = auth.decide(&caller, asked).err().map(|refusal| refusal.to_string());
                    prop_assert_eq!(found.as_deref(), expected, "{} asks for {:?}", name, &keys);
                }
            }
            let expected = reference.refusal(&world, None, false, &keys);
            let found = auth.decide(&Caller::Anonymous, Asked::Read(&range)).err().map(|refusal| refusal.to_string());
            prop_assert_eq!(found.as_deref(), expected);
        }
    }
}
