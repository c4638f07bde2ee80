//! Runs the golden scripts of `testscripts/`.
//!
//! A command is one transaction: `put k=v …`, `del RANGE`, `txn "put k v" "del RANGE" "get RANGE" …`. A RANGE is a
//! key, a key and an end, or a key and `..`. Reads: `get RANGE rev= limit= order= by= …`, `at KEY REVISION`,
//! `history REVISION`, `records`. `view NAME` keeps a view, `NAME: get …` reads it. `compact REVISION` and
//! `slice N` forget, logically and physically; `memory` counts versions physically there.

use super::super::{RecordRef, Store, View};
use crate::ids::LeaseId;
use crate::key_range::KeyRange;
use crate::mvcc::{RangeRequest, RangeResponse, SortOrder, SortTarget};
use bytes::Bytes;
use goldenscript::{ArgumentConsumer, Command, Context};
use std::collections::BTreeMap;
use std::error::Error;

test_each_file::test_each_path! { in "engine/src/mvcc/testscripts" as scripts => run_script }

fn run_script(path: &std::path::Path) {
    let mut runner = Runner { store: Store::new(), views: BTreeMap::new(), hashes: Vec::new() };
    goldenscript::run(&mut runner, path).expect("the script runs");
}

struct Runner {
    store: Store,
    views: BTreeMap<String, View>,
    hashes: Vec<(String, u128)>,
}

type Output = Result<String, Box<dyn Error>>;

impl goldenscript::Runner for Runner {
    type Command = Command;

    fn run(&mut self, command: &Command, context: &Context) -> Output {
        let mut args = command.consume_args();
        let view = match &context.prefix {
            Some(name) => self.views.get(name).ok_or("no such view")?.clone(),
            None => self.store.view(),
        };
        let output = match command.name.as_str() {
            "put" => self.put(&mut args)?,
            "del" => self.delete(&mut args)?,
            "txn" => self.transact(&mut args)?,
            "get" => show_answer(view.range(&parse_get(&mut args)?)?),
            "at" => {
                let key = args.next_pos().ok_or("which key?")?;
                let found = view.get_at(key.as_bytes(), number(&mut args)?);
                found.map_or("nothing\n".to_string(), |record| show(&record))
            }
            "history" => {
                let revision = number(&mut args)?;
                let changes: String = view.history_from(revision).map(show).collect();
                format!("{changes}changes_since({})={}\n", revision - 1, view.changes_since(revision - 1))
            }
            "records" => view.records().map(show).collect(),
            "revision" => format!("revision={} compacted={}\n", view.revision(), view.compacted_revision()),
            "bytes" => format!("state={} live={}\n", self.store.state_bytes(), self.store.live_bytes()),
            "view" => {
                let name = args.next_pos().ok_or("which name?")?;
                self.views.insert(name.to_string(), self.store.view());
                format!("{view:?}\n")
            }
            "compact" => {
                self.store.compact(number(&mut args)?)?;
                String::new()
            }
            "slice" => format!("more={}\n", self.store.compact_slice(number(&mut args)? as usize)),
            "memory" => {
                let index = self.store.current().index.iter_from(&[]);
                let (keys, versions) =
                    index.fold((0, 0), |(keys, all), versions| (keys + 1, all + versions.iter().count()));
                format!("keys={keys} versions={versions}\n")
            }
            "hash" => self.hash(args.next_pos().ok_or("which name?")?),
            "rebuild" => {
                let records = view.records().cloned().collect();
                self.store = Store::from_records(view.revision(), view.compacted_revision(), records)?;
                String::new()
            }
            other => return Err(format!("unknown command {other}").into()),
        };
        args.reject_next()?;
        assert_eq!(self.store.hash(), self.store.hash_from_scratch(), "the hash is what it should be");
        Ok(output)
    }
}

impl Runner {
    fn put(&mut self, args: &mut ArgumentConsumer<'_>) -> Output {
        let lease = LeaseId(args.take_key("lease").unwrap_or("0").parse()?);
        let mut write = self.store.write();
        while let Some((key, value)) = args.next_key() {
            write.put(key.as_bytes(), value.as_bytes(), lease);
        }
        Ok(write.finish().iter().map(show).collect())
    }

    fn delete(&mut self, args: &mut ArgumentConsumer<'_>) -> Output {
        let range = parse_range(args)?;
        let mut write = self.store.write();
        let deleted = write.delete_range(&range).len();
        let changes: String = write.finish().iter().map(show).collect();
        Ok(format!("{changes}deleted={deleted}\n"))
    }

    /// Stops at the first refusal; what was done before it stays (checking beforehand is the txn module's).
    fn transact(&mut self, args: &mut ArgumentConsumer<'_>) -> Output {
        let mut write = self.store.write();
        let mut output = String::new();
        while let Some(operation) = args.next_pos() {
            let words: Vec<&str> = operation.split(' ').collect();
            match words.as_slice() {
                ["put", key, value] => {
                    let (new, previous) = write.put(key.as_bytes(), value.as_bytes(), LeaseId(0));
                    output += &format!("put {new:?}, before: {previous:?}\n");
                }
                ["del", range @ ..] => {
                    output += &format!("del {:?}\n", write.delete_range(&range_of(range)?));
                }
                ["get", range @ .., revision] => {
                    let revision = revision.parse()?;
                    let request = RangeRequest { revision, ..RangeRequest::of(range_of(range)?) };
                    output += &match write.small_range(&request, &mut 1_000).expect("a small store") {
                        Ok(answer) => format!("get {:?} count={}\n", answer.kvs, answer.count),
                        Err(error) => format!("get refused: {error}\n"),
                    };
                }
                _ => return Err(format!("unknown operation {operation}").into()),
            }
            output += &format!("  revision={}\n", write.revision());
        }
        Ok(output)
    }

    fn hash(&mut self, name: &str) -> String {
        let hash = self.store.hash();
        let same = self.hashes.iter().find(|(_, other)| *other == hash).map(|(name, _)| name.clone());
        self.hashes.push((name.to_string(), hash));
        same.map_or("unlike any before\n".to_string(), |other| format!("same as {other}\n"))
    }
}

fn number(args: &mut ArgumentConsumer<'_>) -> Result<i64, Box<dyn Error>> {
    Ok(args.next_pos().ok_or("which number?")?.parse()?)
}

fn range_of(words: &[&str]) -> Result<KeyRange, Box<dyn Error>> {
    let bytes = |word: &str| Bytes::copy_from_slice(word.as_bytes());
    match words {
        [key] => Ok(KeyRange::One(bytes(key))),
        [start, ".."] => Ok(KeyRange::From(bytes(start))),
        [start, end] => Ok(KeyRange::Span { start: bytes(start), end: bytes(end) }),
        other => Err(format!("not a range: {other:?}").into()),
    }
}

fn parse_range(args: &mut ArgumentConsumer<'_>) -> Result<KeyRange, Box<dyn Error>> {
    let mut words = Vec::new();
    while let Some(word) = args.next_pos() {
        words.push(word);
    }
    range_of(&words)
}

fn parse_get(args: &mut ArgumentConsumer<'_>) -> Result<RangeRequest, Box<dyn Error>> {
    let range = parse_range(args)?;
    let mut number = |name: &str| args.take_key(name).unwrap_or("0").parse::<i64>();
    let request = RangeRequest {
        revision: number("rev")?,
        limit: number("limit")? as u64,
        min_mod_revision: number("min_mod")?,
        max_mod_revision: number("max_mod")?,
        min_create_revision: number("min_create")?,
        max_create_revision: number("max_create")?,
        ..RangeRequest::of(range)
    };
    let order = match args.take_key("order") {
        None | Some("none") => SortOrder::None,
        Some("ascend") => SortOrder::Ascend,
        Some("descend") => SortOrder::Descend,
        Some(other) => return Err(format!("unknown order {other}").into()),
    };
    let target = match args.take_key("by") {
        None | Some("key") => SortTarget::Key,
        Some("version") => SortTarget::Version,
        Some("create") => SortTarget::Create,
        Some("mod") => SortTarget::Mod,
        Some("value") => SortTarget::Value,
        Some(other) => return Err(format!("unknown target {other}").into()),
    };
    let keys_only = args.take_key("keys_only").is_some();
    let count_only = args.take_key("count_only").is_some();
    Ok(RangeRequest { order, target, keys_only, count_only, ..request })
}

fn show(record: &RecordRef) -> String {
    format!("{record:?}\n")
}

fn show_answer(answer: RangeResponse) -> String {
    let kvs: String = answer.kvs.iter().map(show).collect();
    let keys_only = if answer.keys_only { " keys_only" } else { "" };
    format!("{kvs}count={} more={}{keys_only}\n", answer.count, answer.more)
}
