//! A state from etcd's snapshot file, ours or etcd's. It comes from a disk, so nothing about it is taken on trust.
//!
//! The members, and where the state stood in a log, are left behind: a restored state is the first of a new cluster. What
//! cannot be carried over is refused and never left out: what a release writes that is newer than ours.

use super::key_bucket;
use super::protobuf::{Field, Fields, Value};
use super::small_buckets::alarm_number;
use super::users::ReadUsers;
use crate::bbolt::{Bucket, ReadError, Reader, Source};
use crate::ids::{LeaseId, MemberId};
use crate::lease::{Lease, Lessor};
use crate::membership::InitialCluster;
use crate::mvcc::{RecordRef, Store, retain_kept};
use crate::request::{Alarm, AlarmKind};
use crate::snapshot::attach_keys;
use crate::state::{FIRST_INDEX, State};
use std::collections::BTreeSet;

/// The newest schema that is read: major and minor release of etcd.
const SCHEMA_MAX: (u64, u64) = (3, 7);

/// Why a file is not restored. Nothing of it is used then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImportError<E> {
    /// The bytes cannot be read, or a page is damaged.
    Read(ReadError<E>),
    /// The file is whole, and what is in it cannot be a state.
    Content(String),
}

impl<E> From<ReadError<E>> for ImportError<E> {
    fn from(error: ReadError<E>) -> ImportError<E> {
        ImportError::Read(error)
    }
}

/// What a file holds.
#[derive(Debug)]
pub struct Contents {
    versions: Vec<RecordRef>,
    leases: Vec<Lease>,
    alarms: BTreeSet<Alarm>,
    users: ReadUsers,
    revision: i64,
    compacted: i64,
    /// Of the schema; `None` where the file does not say, as before etcd 3.6.
    storage_version: Option<String>,
}

impl Contents {
    /// Reads a file whole.
    ///
    /// # Errors
    /// A page is damaged, or something in the file is not etcd's, or newer than what is known here.
    pub fn read<S: Source>(file: &mut Reader<S>) -> Result<Contents, ImportError<S::Error>> {
        let buckets = file.buckets()?;
        if !buckets.iter().any(|(name, _)| name == key_bucket::NAME) {
            return Err(ImportError::Content("it has no bucket \"key\": it is not etcd's".to_owned()));
        }
        let mut contents = Contents {
            versions: Vec::new(),
            leases: Vec::new(),
            alarms: BTreeSet::new(),
            users: ReadUsers::default(),
            revision: 1,
            compacted: -1,
            storage_version: None,
        };
        // The schema first: what follows may be of one that is not known here.
        for (name, bucket) in buckets.iter().filter(|(name, _)| name == b"meta") {
            contents.bucket(file, name, bucket)?;
        }
        contents.check_schema().map_err(ImportError::Content)?;
        for (name, bucket) in buckets.iter().filter(|(name, _)| name != b"meta") {
            contents.bucket(file, name, bucket)?;
        }
        contents.revision = contents.revision.max(contents.compacted);
        Ok(contents)
    }

    fn bucket<S: Source>(
        &mut self,
        file: &mut Reader<S>,
        name: &[u8],
        bucket: &Bucket,
    ) -> Result<(), ReadError<S::Error>> {
        file.walk(bucket, &mut |key, value| {
            match name {
                b"key" => self.version(key, value)?,
                b"meta" => self.meta(key, value)?,
                b"lease" => self.leases.push(lease(value)?),
                b"alarm" => self.alarms.extend(alarm(key)?),
                b"auth" => self.users.flag(key, value)?,
                b"authRoles" => self.users.role(key, value)?,
                b"authUsers" => self.users.user(key, value)?,
                // Members, and what else is of the cluster that the file is from.
                _ => {}
            }
            Ok(())
        })
    }

    fn version(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        let version = key_bucket::decode(key, value)?;
        self.revision = version.mod_revision();
        // etcd notes a revision that it has moved on to without a change, as one of no key.
        if !version.key().is_empty() {
            self.versions.push(version);
        }
        Ok(())
    }

    fn meta(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        match key {
            b"scheduledCompactRev" | b"finishedCompactRev" => {
                let (revision, _) = key_bucket::decode_revision(value)
                    .ok_or_else(|| format!("{} is not a revision", key.escape_ascii()))?;
                self.compacted = self.compacted.max(revision);
            }
            b"storageVersion" => self.storage_version = Some(String::from_utf8_lossy(value).into_owned()),
            _ => {}
        }
        Ok(())
    }

    fn check_schema(&self) -> Result<(), String> {
        let Some(version) = &self.storage_version else { return Ok(()) };
        let mut numbers = version.split('.').map(|number| number.parse::<u64>().ok());
        let (Some(Some(major)), Some(Some(minor))) = (numbers.next(), numbers.next()) else {
            return Err(format!("its storage version is {version:?}"));
        };
        if (major, minor) > SCHEMA_MAX {
            let (known_major, known_minor) = SCHEMA_MAX;
            return Err(format!(
                "its storage version is {version}, this release reads up to {known_major}.{known_minor}: \
                 bring it down to that with etcdutl migrate, or use a newer release of detcd"
            ));
        }
        Ok(())
    }

    /// The newest revision.
    pub fn revision(&self) -> i64 {
        self.revision
    }

    /// The compacted revision; −1 where there is none.
    pub fn compacted_revision(&self) -> i64 {
        self.compacted
    }

    /// How many versions and leases there are.
    pub fn counts(&self) -> (usize, usize) {
        (self.versions.len(), self.leases.len())
    }

    /// Moves the revision on, and compacts there: clients of the cluster that the file is from, which has gone on since,
    /// do not take a revision for one that they know.
    ///
    /// # Errors
    /// The revision would be too large to count on from.
    pub fn bump(&mut self, by: u64) -> Result<(), String> {
        let bumped = i64::try_from(by).ok().and_then(|by| self.revision.checked_add(by));
        let bumped = bumped.filter(|bumped| *bumped < 1 << 62);
        self.revision = bumped.ok_or_else(|| {
            format!("revision {} cannot be moved on by {by}: that is too far", self.revision)
        })?;
        self.compacted = self.revision;
        Ok(())
    }

    /// The first state of a new cluster.
    ///
    /// # Errors
    /// No run of requests could have made such a state.
    pub fn into_state(self, cluster: &InitialCluster) -> Result<State, String> {
        let Contents { mut versions, mut leases, alarms, users, revision, compacted, .. } = self;
        retain_kept(&mut versions, compacted);
        let mvcc = Store::from_records(revision, compacted, versions)?;
        leases.sort_unstable_by_key(|lease| lease.id);
        // etcd does not number its grants.
        let grants = leases.len() as u64;
        for (number, lease) in (1..).zip(&mut leases) {
            lease.grant_number = number;
        }
        let mut leases = Lessor::from_leases(grants, leases).map_err(|error| error.to_string())?;
        attach_keys(&mvcc, &mut leases)?;
        let auth = users.into_auth();
        Ok(State { mvcc, leases, alarms, auth, applied: (FIRST_INDEX, 1), ..State::first(cluster) })
    }
}

/// `leasepb.Lease`.
fn lease(value: &[u8]) -> Result<Lease, String> {
    let (mut id, mut granted, mut remaining) = (0, 0, 0);
    for field in Fields(value) {
        match field? {
            Field { number: 1, value: Value::Varint(number) } => id = number.cast_signed(),
            Field { number: 2, value: Value::Varint(number) } => granted = number.cast_signed(),
            Field { number: 3, value: Value::Varint(number) } => remaining = number.cast_signed(),
            _ => {}
        }
    }
    if id == 0 || granted < 1 {
        return Err(format!("lease {id} has a TTL of {granted} s"));
    }
    // etcd notes nothing as 0.
    let remaining_ttl_secs = Some(remaining).filter(|left| (1..=granted).contains(left));
    Ok(Lease { id: LeaseId(id), grant_number: 0, granted_ttl_secs: granted, remaining_ttl_secs })
}

/// `etcdserverpb.AlarmMember`; none where its kind is none.
fn alarm(key: &[u8]) -> Result<Option<Alarm>, String> {
    let (mut member, mut found) = (0, 0);
    for field in Fields(key) {
        match field? {
            Field { number: 1, value: Value::Varint(number) } => member = number,
            Field { number: 2, value: Value::Varint(number) } => found = number,
            _ => {}
        }
    }
    let kinds = [AlarmKind::NoSpace, AlarmKind::Corrupt];
    let kind = kinds.into_iter().find(|kind| alarm_number(*kind) == found);
    Ok(kind.map(|kind| Alarm { kind, member: MemberId(member) }))
}
