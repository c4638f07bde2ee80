//! Runs the golden scripts of `testscripts/`.
//!
//! Streams: `open S`, `create S RANGE… [start= id= …]`, `cancel S ID`, `progress S`, `close S`. The store:
//! `put k=v …`, `del RANGE`, `txn "put k v" "del RANGE" …` are one revision each, published at once; `compact R`;
//! `restore OPERATION…` makes a newer store elsewhere, one revision for each operation, and installs it. A RANGE is
//! a key, a key and an end, or a key and `..`; a value `1x300` is 300 times `1`.
//!
//! After each command the hub is pumped until it has no more to say, and each client takes in what it was sent, but
//! for streams opened with `slow`: those wait for `drain S`. Between `hold` and `pump` nothing is pumped at all.
//! `after MS` lets time pass, waking when the hub asks to be. Responses are shown as `stream/watcher what`.

use crate::ids::{LeaseId, StreamId, WatchId};
use crate::key_range::KeyRange;
use crate::mvcc::{RecordRef, Store, Write};
use crate::time::Time;
use crate::watch::WatchEffects;
use crate::watch::{Event, EventRange, Hub, WatchResponse};
use crate::watch::{WatchCreate, WatchInput};
use bytes::Bytes;
use goldenscript::{ArgumentConsumer, Command, Context};
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::str::FromStr;

test_each_file::test_each_path! { in "engine/src/watch/testscripts" as scripts => run_script }

const ELECTION_TIMEOUT_MS: u64 = 1_000;

fn run_script(path: &std::path::Path) {
    let runner = &mut Runner {
        store: Store::new(),
        hub: Hub::new(400, 1_000, 1),
        now: Time::ZERO,
        has_leader: true,
        is_held: false,
        slow: BTreeMap::new(),
    };
    goldenscript::run(runner, path).expect("the script runs");
}

struct Runner {
    store: Store,
    hub: Hub,
    now: Time,
    has_leader: bool,
    is_held: bool,
    /// Slow streams, and how many bytes of responses each has waiting to be taken in.
    slow: BTreeMap<StreamId, usize>,
}

type Output = Result<String, Box<dyn Error>>;

impl goldenscript::Runner for Runner {
    type Command = Command;

    fn run(&mut self, command: &Command, _: &Context) -> Output {
        let mut args = command.consume_args();
        let mut said = String::new();
        match command.name.as_str() {
            "hub" => {
                let fragment_bytes = option(&mut args, "fragment")?.unwrap_or(400);
                self.hub = Hub::new(fragment_bytes, option(&mut args, "interval")?.unwrap_or(1_000), 1);
            }
            "put" | "del" | "txn" => self.write(&command.name, &mut args)?,
            "compact" => self.store.compact(args.next_pos().ok_or("which revision?")?.parse()?)?,
            "sweep" => while self.store.compact_slice(100) {},
            "restore" => self.restore(&mut args)?,
            "after" => {
                let ms = args.next_pos().ok_or("how long?")?.parse()?;
                args.reject_next()?;
                return self.after(ms);
            }
            "leader" => {
                self.has_leader = args.next_pos().ok_or("is there one?")?.parse()?;
                self.hub.leader_seen(self.now, self.has_leader, ELECTION_TIMEOUT_MS);
            }
            "hold" => self.is_held = true,
            "pump" => self.is_held = false,
            "state" => said = self.state(),
            name => {
                let stream = StreamId(args.next_pos().ok_or("which stream?")?.parse()?);
                let input = self.parse(name, stream, &mut args)?;
                self.hub.handle(self.now, stream, input, &self.store);
            }
        }
        args.reject_next()?;
        if !self.is_held {
            self.pump(&mut said)?;
        }
        Ok(said)
    }
}

impl Runner {
    fn parse(
        &mut self,
        name: &str,
        stream: StreamId,
        args: &mut ArgumentConsumer<'_>,
    ) -> Result<WatchInput, Box<dyn Error>> {
        Ok(match name {
            "open" => {
                let mut is_slow = false;
                let mut require_leader = false;
                while let Some(word) = args.next_pos() {
                    match word {
                        "slow" => is_slow = true,
                        "require_leader" => require_leader = true,
                        other => return Err(format!("unknown option {other}").into()),
                    }
                }
                if is_slow {
                    self.slow.insert(stream, 0);
                }
                WatchInput::Open { require_leader }
            }
            "create" => WatchInput::Create(parse_create(args)?),
            "cancel" => WatchInput::Cancel(WatchId(args.next_pos().ok_or("which watcher?")?.parse()?)),
            "progress" => WatchInput::Progress,
            "drain" => {
                let waiting = self.slow.get_mut(&stream).ok_or("only a slow stream waits")?;
                let bytes = args.next_pos().map_or(Ok(*waiting), str::parse)?;
                *waiting -= bytes;
                WatchInput::Drained { bytes }
            }
            "close" => {
                self.slow.remove(&stream);
                WatchInput::Close
            }
            other => return Err(format!("unknown command {other}").into()),
        })
    }

    /// One revision, published as the engine does once it is applied.
    fn write(&mut self, name: &str, args: &mut ArgumentConsumer<'_>) -> Result<(), Box<dyn Error>> {
        let mut write = self.store.write();
        match name {
            "put" => {
                while let Some((key, text)) = args.next_key() {
                    write.put(key.as_bytes(), &value(text)?, LeaseId(0));
                }
            }
            "del" => operate(&mut write, &[&["del"], positional(args).as_slice()].concat())?,
            _ => {
                for operation in positional(args) {
                    operate(&mut write, &operation.split(' ').collect::<Vec<_>>())?;
                }
            }
        }
        let changes = write.finish();
        self.hub.publish(&changes, &self.store);
        Ok(())
    }

    fn restore(&mut self, args: &mut ArgumentConsumer<'_>) -> Result<(), Box<dyn Error>> {
        for operation in positional(args) {
            let words: Vec<&str> = operation.split(' ').collect();
            match words.as_slice() {
                ["compact", revision] => self.store.compact(revision.parse()?)?,
                words => {
                    let mut write = self.store.write();
                    operate(&mut write, words)?;
                    write.finish();
                }
            }
        }
        self.hub.restored(&self.store);
        Ok(())
    }

    fn after(&mut self, ms: u64) -> Output {
        let until = self.now.plus_ms(ms);
        let mut said = String::new();
        while let Some(at) = self.hub.next_at().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.hub.leader_seen(self.now, self.has_leader, ELECTION_TIMEOUT_MS);
            let mut now = String::new();
            self.pump(&mut now)?;
            now.lines().try_for_each(|line| writeln!(said, "{} ms: {line}", self.now.as_ms()))?;
        }
        self.now = until;
        Ok(said)
    }

    /// Shows what is to be sent, round by round, until nothing more can be.
    fn pump(&mut self, said: &mut String) -> Result<(), Box<dyn Error>> {
        loop {
            let mut out = WatchEffects::default();
            let has_more = self.hub.pump(self.now, &self.store, &mut out);
            for (stream, response) in &out.responses {
                writeln!(said, "{}{}", stream.0, show(response, &out)?)?;
                let bytes = response.size_bytes(&out.batches);
                match self.slow.get_mut(stream) {
                    Some(waiting) => *waiting += bytes,
                    None => self.hub.handle(self.now, *stream, WatchInput::Drained { bytes }, &self.store),
                }
            }
            if !has_more && out.responses.is_empty() {
                return Ok(());
            }
        }
    }

    /// Where the hub and every stream stands.
    fn state(&self) -> String {
        let mut text =
            format!("revision {}, compacted {}\n", self.hub.revision, self.store.compacted_revision());
        for (id, stream) in &self.hub.streams {
            text += &format!("stream {}: {} bytes outstanding,", id.0, stream.outstanding_bytes);
            for (id, slot) in &stream.watchers {
                let is_parked = stream.blocked.contains(slot);
                let is_reading = self.hub.catching_up.iter().any(|(_, other)| other == slot);
                let position = match (is_parked, is_reading) {
                    (true, _) => "waits for room",
                    (_, true) => "reads history",
                    (false, false) => "is synced",
                };
                text += &format!(" {} {position},", id.0);
            }
            text += &format!(" {} watchers\n", stream.watchers.len());
        }
        text
    }
}

fn parse_create(args: &mut ArgumentConsumer<'_>) -> Result<WatchCreate, Box<dyn Error>> {
    let id = option(args, "id")?.map(WatchId);
    let start_revision = option(args, "start")?.unwrap_or(0);
    let mut words = positional(args);
    let mut flag = |name: &str| {
        let found = words.iter().position(|word| *word == name);
        found.map(|at| words.remove(at)).is_some()
    };
    let (progress_notify, prev_kv, fragment) = (flag("notify"), flag("prev_kv"), flag("fragment"));
    let (no_put, no_delete) = (flag("no_put"), flag("no_delete"));
    let range = range_of(&words)?;
    Ok(WatchCreate { id, range, start_revision, progress_notify, no_put, no_delete, prev_kv, fragment })
}

fn option<T: FromStr>(args: &mut ArgumentConsumer<'_>, name: &str) -> Result<Option<T>, T::Err> {
    args.take_key(name).map(str::parse).transpose()
}

fn positional<'a>(args: &mut ArgumentConsumer<'a>) -> Vec<&'a str> {
    std::iter::from_fn(|| args.next_pos()).collect()
}

fn operate(write: &mut Write<'_>, words: &[&str]) -> Result<(), Box<dyn Error>> {
    match words {
        ["put", key, text] => {
            write.put(key.as_bytes(), &value(text)?, LeaseId(0));
        }
        ["del", range @ ..] => {
            write.delete_range(&range_of(range)?);
        }
        other => return Err(format!("unknown operation {other:?}").into()),
    }
    Ok(())
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

fn value(text: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    match text.split_once('x') {
        None => Ok(text.as_bytes().to_vec()),
        Some((what, times)) => Ok(what.as_bytes().repeat(times.parse()?)),
    }
}

fn show(response: &WatchResponse<EventRange>, out: &WatchEffects) -> Result<String, std::fmt::Error> {
    Ok(match response {
        WatchResponse::Created { id, revision } => format!("/{} created at {revision}", id.0),
        WatchResponse::Rejected { revision, reason } => format!(" rejected at {revision}: {reason}"),
        WatchResponse::Progress { id, revision } => format!("/{} progress at {revision}", id.0),
        WatchResponse::Canceled { id, revision } => format!("/{} canceled at {revision}", id.0),
        WatchResponse::Compacted { id, compact_revision } => {
            format!("/{} lost to compaction, watch from {compact_revision}", id.0)
        }
        WatchResponse::NoLeader => " ended: no leader".to_owned(),
        WatchResponse::Events { id, revision, events, fragment } => {
            let mut text = format!("/{} events at {revision} of batch {}", id.0, events.batch);
            if *fragment {
                text += " (fragment)";
            }
            for event in events.of(&out.batches) {
                write!(text, "\n    {}", show_event(event))?;
            }
            text
        }
    })
}

fn show_event(event: &Event) -> String {
    let (main, sub) = event.record.position();
    let what = match event.record.is_tombstone() {
        true => format!("{main}.{sub} delete {}", event.record.key().escape_ascii()),
        false => format!("{main}.{sub} put {}", show_pair(&event.record)),
    };
    event.prev.as_ref().map_or(what.clone(), |prev| format!("{what}, was {}", show_pair(prev)))
}

fn show_pair(record: &RecordRef) -> String {
    let value = record.value();
    let text = match value {
        [first, .., last] if value.len() > 20 && first == last => {
            format!("{}x{}", *first as char, value.len())
        }
        short => short.escape_ascii().to_string(),
    };
    format!("{}={text}", record.key().escape_ascii())
}
