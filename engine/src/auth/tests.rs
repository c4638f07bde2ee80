//! Golden scripts over users, roles and decisions. `_` stands for an empty key or range end, `END` for the range end that is
//! a zero byte; `may USER read|write KEY [RANGE_END] [at=REVISION]` asks for a decision.

use super::{Asked, Auth, AuthReader, AuthWriter};
use crate::codec::Decoder;
use crate::key_range::KeyRange;
use crate::request::{Access, AuthChange, AuthRead, Caller, Identity, Permission, RequestError, Secret};
use bytes::Bytes;
use goldenscript::{Command, Context, Runner};
use std::error::Error;
use test_each_file::test_each_path;

test_each_path! { in "engine/src/auth/testscripts" as scripts => run_script }

fn run_script(path: &std::path::Path) {
    goldenscript::run(&mut Script::default(), path).expect("the script holds");
}

#[derive(Default)]
struct Script {
    auth: Auth,
}

impl Runner for Script {
    type Command = Command;

    fn run(&mut self, command: &Command, _: &Context) -> Result<String, Box<dyn Error>> {
        let mut rest = command.consume_args();
        let at: Option<u64> = rest.take_key("at").map(str::parse).transpose()?;
        let words: Vec<&str> = std::iter::from_fn(|| rest.next_pos()).collect();
        let word = |at: usize| words.get(at).map_or(String::new(), |word| (*word).to_owned());
        let answer = match command.name.as_str() {
            "may" => self.may(&words, at),
            "read" => match word(0).as_str() {
                "status" => self.read(&AuthRead::Status),
                "users" => self.read(&AuthRead::UserList),
                "roles" => self.read(&AuthRead::RoleList),
                "user" => self.read(&AuthRead::UserGet(word(1))),
                "role" => self.read(&AuthRead::RoleGet(word(1))),
                other => return Err(format!("nothing to read of {other}").into()),
            },
            "log-in" => told(self.auth.admits_log_in(&word(0), at.unwrap_or(self.auth.revision()))),
            "password" => match self.auth.password_of(&word(0)) {
                Ok(password) => format!("{:?}", password.hash.expose()),
                Err(refusal) => refusal.to_string(),
            },
            name => self.change(&parsed(name, &words)?),
        };
        Ok(answer)
    }
}

/// A change as a script writes it.
pub(crate) fn parsed(name: &str, words: &[&str]) -> Result<AuthChange, Box<dyn Error>> {
    let word = |at: usize| words.get(at).map_or(String::new(), |word| (*word).to_owned());
    let secret = |at: usize| Secret::new(Bytes::from(word(at)));
    Ok(match name {
        "enable" => AuthChange::Enable,
        "disable" => AuthChange::Disable,
        "user-add" => {
            AuthChange::UserAdd { name: word(0).replace('_', ""), password: words.get(1).map(|_| secret(1)) }
        }
        "user-delete" => AuthChange::UserDelete(word(0)),
        "passwd" => AuthChange::UserChangePassword { name: word(0), password: secret(1) },
        "grant-role" => AuthChange::UserGrantRole { user: word(0), role: word(1) },
        "revoke-role" => AuthChange::UserRevokeRole { user: word(0), role: word(1) },
        "role-add" => AuthChange::RoleAdd(word(0).replace('_', "")),
        "role-delete" => AuthChange::RoleDelete(word(0)),
        "grant" => AuthChange::RoleGrantPermission {
            role: word(0),
            permission: words.get(1).map(|access| permission(access, key(words, 2), key(words, 3))),
        },
        "revoke" => {
            AuthChange::RoleRevokePermission { role: word(0), key: key(words, 1), range_end: key(words, 2) }
        }
        other => return Err(format!("unknown command {other}").into()),
    })
}

fn permission(access: &str, key: Bytes, range_end: Bytes) -> Permission {
    let access = match access {
        "read" => Access::Read,
        "write" => Access::Write,
        _ => Access::ReadWrite,
    };
    Permission { access, key, range_end }
}

fn key(words: &[&str], at: usize) -> Bytes {
    match words.get(at).copied() {
        None | Some("_") => Bytes::new(),
        Some("END") => Bytes::from_static(b"\0"),
        Some(word) => Bytes::copy_from_slice(word.as_bytes()),
    }
}

fn told(outcome: Result<(), RequestError>) -> String {
    outcome.map_or_else(|refusal| refusal.to_string(), |()| "yes".to_owned())
}

impl Script {
    /// Besides, what was changed is written and read back: nothing gets lost, and the sum of hashes is that of the parts.
    fn change(&mut self, change: &AuthChange) -> String {
        let before = self.auth.revision();
        let outcome = self.auth.change(change);
        let mut writer = AuthWriter::new(self.auth.clone());
        let mut reader = AuthReader::default();
        while let Some(piece) = writer.next_piece(20) {
            reader.piece(Decoder::new(Bytes::from(piece))).expect("what was written is read");
        }
        assert_eq!(reader.finish(self.auth.is_enabled(), self.auth.revision()), self.auth);
        match outcome {
            Ok(()) if self.auth.revision() == before => "done, nothing is new".to_owned(),
            Ok(()) => format!("done, revision {}", self.auth.revision()),
            Err(refusal) => {
                assert_eq!(self.auth.revision(), before, "a refusal changes nothing");
                refusal.to_string()
            }
        }
    }

    fn read(&self, read: &AuthRead) -> String {
        self.auth.read(read).map_or_else(|refusal| refusal.to_string(), |answer| format!("{answer:?}"))
    }

    fn may(&self, words: &[&str], at: Option<u64>) -> String {
        let caller = match words.first().copied() {
            Some("nobody") | None => Caller::Anonymous,
            Some("member") => Caller::Member,
            Some(name) => {
                let auth_revision = at.unwrap_or(self.auth.revision());
                Caller::User(Identity { name: name.to_owned(), auth_revision })
            }
        };
        let name = words.get(2).copied().unwrap_or_default();
        let range = || KeyRange::parse(key(words, 2), key(words, 3));
        told(match words.get(1).copied() {
            Some("read") => self.auth.decide(&caller, Asked::Read(&range())),
            Some("write") => self.auth.decide(&caller, Asked::Write(&range())),
            Some("administer") => self.auth.decide(&caller, Asked::Administer),
            Some("see-user") => self.auth.decide(&caller, Asked::SeeUser(name)),
            Some("see-role") => self.auth.decide(&caller, Asked::SeeRole(name)),
            _ => self.auth.decide(&caller, Asked::BeSomebody),
        })
    }
}
