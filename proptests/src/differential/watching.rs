//! One watch stream of a script, open at both servers, and what each said on it.
//!
//! How many revisions one response holds is not promised, so events are compared watch by watch and not response by
//! response; what answers a request (created, canceled, refused) keeps its order and is compared with its header.
//! Each stream has one watch more than its script knows, on a key that only `run` writes: when its event is here, so
//! is every event before it.

use crate::client::{Answer, Refusal, Stream};
use crate::process::revision_of;
use crate::symbols::{self, Known};
use crate::{catalog::Rpc, normalize};
use prost_reflect::{DynamicMessage, Value};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// The watch that tells when events have come, and its key.
const SENTINEL_ID: i64 = 1_000_000;
pub(crate) const SENTINEL_KEY: &str = "~";
/// For something that must come. A server under load may need long.
const COMES_WITHIN: Duration = Duration::from_secs(20);
/// For something that may rightly not come. If it comes later, the next comparison finds it.
const SILENT_AFTER: Duration = Duration::from_millis(40);

/// What one server said and was not compared yet.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Said {
    /// Created, canceled on request, and refused, in order.
    control: Vec<DynamicMessage>,
    /// Events by watch; also the word that a watch was overtaken by compaction.
    by_watch: BTreeMap<i64, Vec<DynamicMessage>>,
    /// Revisions of progress.
    progress: Vec<i64>,
    /// How the stream ended.
    ended: Option<Refusal>,
}

impl Said {
    fn len(&self) -> usize {
        self.control.len() + self.progress.len() + self.by_watch.values().map(Vec::len).sum::<usize>()
    }
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = |message: &DynamicMessage| symbols::named(&message.to_text_format());
        for control in &self.control {
            writeln!(f, "{}", text(control))?;
        }
        for (id, events) in &self.by_watch {
            for event in events {
                writeln!(f, "watch {id}: {}", text(event))?;
            }
        }
        for revision in &self.progress {
            writeln!(f, "progress {revision}")?;
        }
        self.ended.iter().try_for_each(|refusal| writeln!(f, "ended, {refusal}"))
    }
}

#[derive(Debug)]
struct Half {
    stream: Stream,
    said: Said,
    /// The last write of the sentinel's key that was told.
    sentinel: i64,
    /// Whether the watches that are not created yet want previous values, in the order of their requests.
    asked: VecDeque<bool>,
    wants_prev_kv: BTreeMap<i64, bool>,
}

/// A stream at both servers: ours, then etcd's.
#[derive(Debug)]
pub(crate) struct Watching {
    halves: [Half; 2],
    /// Responses to creates that have to come in all, counted since the last comparison.
    creates: usize,
}

impl Watching {
    /// Over streams just opened.
    pub(crate) async fn open(streams: [Stream; 2], known: &[Known; 2]) -> Watching {
        let half = |stream| Half {
            stream,
            said: Said::default(),
            sentinel: 0,
            asked: VecDeque::new(),
            wants_prev_kv: BTreeMap::new(),
        };
        let mut watching = Watching { halves: streams.map(half), creates: 0 };
        let text = format!("create_request{{key:\"{SENTINEL_KEY}\",watch_id:{SENTINEL_ID}}}");
        let create = DynamicMessage::parse_text_format(watch().input(), &text).expect("a WatchRequest");
        watching.send(&create, known).await;
        watching
    }

    /// Sends one message and waits for the answer that belongs to it, if there is to be one.
    pub(crate) async fn send(&mut self, message: &DynamicMessage, known: &[Known; 2]) {
        let create = part(message, "create_request");
        for (half, known) in self.halves.iter_mut().zip(known) {
            if let Some(create) = &create {
                half.asked.push_back(
                    create.get_field_by_name("prev_kv").is_some_and(|is| is.as_bool() == Some(true)),
                );
            }
            half.stream.send(&known.resolve(message));
        }
        let before = self.halves.each_ref().map(|half| half.said.control.len() + half.said.progress.len());
        if create.is_some() {
            self.creates += 1;
            let creates = self.creates;
            let created = |halves: &[Half; 2]| halves.iter().all(|half| half.creates_answered() >= creates);
            self.hear(known, COMES_WITHIN, created).await;
            return;
        }
        let heard = |half: &Half, before: usize| half.said.control.len() + half.said.progress.len() > before;
        let one = |halves: &[Half; 2]| halves.iter().zip(before).any(|(half, before)| heard(half, before));
        if self.hear(known, SILENT_AFTER, one).await {
            let both =
                |halves: &[Half; 2]| halves.iter().zip(before).all(|(half, before)| heard(half, before));
            self.hear(known, COMES_WITHIN / 10, both).await;
        }
    }

    /// Waits until both have told of the sentinel's write at this revision, and hands out what they said until then.
    pub(crate) async fn take(&mut self, revision: Option<i64>, known: &[Known; 2]) -> [Said; 2] {
        let told = |halves: &[Half; 2]| {
            halves
                .iter()
                .all(|half| half.said.ended.is_some() || revision.is_none_or(|at| half.sentinel >= at))
        };
        self.hear(known, COMES_WITHIN, told).await;
        self.creates = 0;
        self.halves.each_mut().map(|half| std::mem::take(&mut half.said))
    }

    /// Asks for progress until both answer: then neither has a watch that lags.
    pub(crate) async fn until_synced(&mut self, known: &[Known; 2]) -> bool {
        let ask =
            DynamicMessage::parse_text_format(watch().input(), "progress_request{}").expect("a WatchRequest");
        let deadline = Instant::now() + COMES_WITHIN;
        let answered = |halves: &[Half; 2]| halves.iter().all(|half| !half.said.progress.is_empty());
        while Instant::now() < deadline {
            for half in self.halves.iter_mut().filter(|half| half.said.progress.is_empty()) {
                half.stream.send(&ask);
            }
            if self.hear(known, Duration::from_millis(10), answered).await {
                return true;
            }
        }
        false
    }

    /// Takes in what comes until `enough` holds; false if it does not in time.
    async fn hear(
        &mut self,
        known: &[Known; 2],
        within: Duration,
        enough: impl Fn(&[Half; 2]) -> bool,
    ) -> bool {
        let deadline = Instant::now() + within;
        loop {
            for (half, known) in self.halves.iter_mut().zip(known) {
                while let Some(answer) = half.stream.waiting() {
                    half.absorb(answer, known);
                }
            }
            if enough(&self.halves) {
                return true;
            }
            let [ours, theirs] = &mut self.halves;
            let next = async {
                tokio::select! {
                    biased;
                    answer = ours.stream.next(within), if ours.said.ended.is_none() => (0, answer),
                    answer = theirs.stream.next(within), if theirs.said.ended.is_none() => (1, answer),
                    else => std::future::pending().await,
                }
            };
            let Ok((side, answer)) = timeout_at(deadline, next).await else { return false };
            match answer {
                Some(answer) => self.halves[side].absorb(answer, &known[side]),
                None => return enough(&self.halves),
            }
        }
    }
}

impl Half {
    fn creates_answered(&self) -> usize {
        let created = |control: &&DynamicMessage| flag(control, "created");
        if self.said.ended.is_some() { usize::MAX } else { self.said.control.iter().filter(created).count() }
    }

    fn absorb(&mut self, answer: Answer, known: &Known) {
        let answer = match answer {
            Ok(answer) => normalize::own(answer, known),
            Err(refusal) => return self.said.ended = Some(refusal),
        };
        let id = answer.get_field_by_name("watch_id").and_then(|id| id.as_i64()).unwrap_or(0);
        let (created, canceled) = (flag(&answer, "created"), flag(&answer, "canceled"));
        let is_compacted = answer.has_field_by_name("compact_revision");
        let events = answer.get_field_by_name("events").map(|events| events.into_owned());
        let events = match events {
            Some(Value::List(events)) => events,
            _ => Vec::new(),
        };
        if created {
            let prev_kv = self.asked.pop_front().unwrap_or(false);
            self.wants_prev_kv.insert(id, prev_kv);
        }
        if created || (canceled && !is_compacted) {
            self.said.control.push(answer);
        } else if canceled {
            self.said.by_watch.entry(id).or_default().push(answer);
        } else if events.is_empty() {
            self.said.progress.push(revision_of(&answer));
        } else {
            self.absorb_events(id, events);
        }
    }

    fn absorb_events(&mut self, id: i64, events: Vec<Value>) {
        let wants_prev_kv = self.wants_prev_kv.get(&id).copied().unwrap_or(true);
        for event in events {
            let Value::Message(mut event) = event else { continue };
            let kv = part(&event, "kv");
            let key = kv.as_ref().and_then(|kv| kv.get_field_by_name("key")?.as_bytes().cloned());
            if key.is_some_and(|key| key == SENTINEL_KEY.as_bytes()) {
                // Which of its watches a write is told to first is nobody's business: one tells for all.
                let revision = kv.and_then(|kv| kv.get_field_by_name("mod_revision")?.as_i64());
                if id == SENTINEL_ID {
                    self.sentinel = revision.unwrap_or(0).max(self.sentinel);
                }
                continue;
            }
            // etcd's watches share events in memory: one that wants previous values puts them into those of others.
            if !wants_prev_kv {
                event.clear_field_by_name("prev_kv");
            }
            self.said.by_watch.entry(id).or_default().push(event);
        }
    }
}

/// How many answers two equal `Said` hold.
pub(crate) fn compared(said: &[Said; 2]) -> usize {
    said[0].len()
}

/// The call.
pub(crate) fn watch() -> Rpc {
    Rpc::named("Watch").expect("etcd has it")
}

/// The message in a field, if it is set.
fn part(message: &DynamicMessage, name: &str) -> Option<DynamicMessage> {
    if !message.has_field_by_name(name) {
        return None;
    }
    message.get_field_by_name(name)?.as_message().cloned()
}

fn flag(message: &DynamicMessage, name: &str) -> bool {
    message.get_field_by_name(name).is_some_and(|value| value.as_bool() == Some(true))
}
