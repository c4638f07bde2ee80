//! One script against a new detcd and a new etcd, in lockstep: the next write is sent when both have answered the
//! last, so both have one history and revisions are comparable. Reads between two writes are under way together.

mod expiry;
mod hashes;

use crate::catalog::Rpc;
use crate::client::{Answer, Client, Stream};
use crate::process::{Kind, Server, revision_of};
use crate::script::{Step, Stop};
use crate::symbols::{Known, named};
use crate::tally::Tally;
use crate::watching::{self, SENTINEL_KEY, Watching};
use crate::{normalize, ties};
use futures_util::future::join_all;
use prost_reflect::DynamicMessage;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// So many reads are under way at once, at each server.
const READS_MAX: usize = 16;
/// The two are asked a moment apart, and count seconds.
const SLACK_SECS: i64 = 5;
/// A keepalive that is not answered by then never is.
const RENEWED_WITHIN: Duration = Duration::from_secs(20);

/// The programs, and where their data may be.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    pub(crate) detcd: PathBuf,
    pub(crate) etcd: PathBuf,
    pub(crate) dir: PathBuf,
}

/// Where the two do not agree.
#[derive(Clone, Debug)]
pub(crate) struct Difference {
    /// The step that showed it, from 0.
    pub(crate) step: usize,
    pub(crate) detcd: String,
    pub(crate) etcd: String,
}

impl Difference {
    fn at(step: usize, told: [String; 2]) -> Difference {
        let [detcd, etcd] = told.map(|text| named(&text));
        Difference { step, detcd, etcd }
    }
}

struct Run {
    servers: [Server; 2],
    clients: [Client; 2],
    known: [Known; 2],
    keepalives: Option<[Stream; 2]>,
    watches: BTreeMap<u8, Watching>,
    /// A watch was created that etcd may not have brought up to date yet.
    may_lag: bool,
    sentinels: u64,
    started_at: Instant,
    tally: Tally,
}

/// Runs a script on new servers. Adds to the tally what was compared, also where it ends in a difference.
pub(crate) async fn run(
    programs: &Programs,
    name: &str,
    script: &[Step],
    tally: &mut Tally,
) -> Option<Difference> {
    let place = |kind| programs.dir.join(format!("{name}-{kind:?}"));
    let made = || -> std::io::Result<[Server; 2]> {
        Ok([
            Server::new(Kind::Detcd, &programs.detcd, place(Kind::Detcd))?,
            Server::new(Kind::Etcd, &programs.etcd, place(Kind::Etcd))?,
        ])
    };
    let servers = made().unwrap_or_else(|error| panic!("{}: {error}", programs.dir.display()));
    let mut run = match Run::start(servers).await {
        Ok(run) => run,
        Err(error) => return Some(Difference::at(0, [error.clone(), error])),
    };
    let result = run.all(script).await;
    tally.add(&run.tally);
    result.err()
}

impl Run {
    async fn start(mut servers: [Server; 2]) -> Result<Run, String> {
        let [detcd, etcd] = &mut servers;
        let (ours, theirs) = tokio::try_join!(detcd.start(), etcd.start())?;
        Ok(Run {
            clients: [ours.0, theirs.0],
            known: [ours.1, theirs.1],
            servers,
            keepalives: None,
            watches: BTreeMap::new(),
            may_lag: false,
            sentinels: 0,
            started_at: Instant::now(),
            tally: Tally::default(),
        })
    }

    async fn all(&mut self, script: &[Step]) -> Result<(), Difference> {
        let is_read = |step: &&Step| matches!(step, Step::Call(rpc, _) if rpc.only_reads());
        let mut at = 0;
        while at < script.len() {
            let reads = script[at..].iter().take(READS_MAX).take_while(is_read).count();
            if reads > 0 {
                self.calls(at, &script[at..at + reads]).await?;
            } else {
                self.step(at, &script[at]).await?;
            }
            at += reads.max(1);
        }
        self.compare_watches(script.len().saturating_sub(1)).await
    }

    async fn step(&mut self, at: usize, step: &Step) -> Result<(), Difference> {
        match step {
            Step::Call(rpc, _) => {
                if rpc.name() == "Compact" {
                    self.compare_watches(at).await?;
                }
                self.calls(at, std::slice::from_ref(step)).await
            }
            Step::KeepAlive(message) => self.keep_alive(at, message).await,
            Step::AwaitEnd(message) => self.await_end(at, message).await,
            Step::Watch(number, message) => self.watch(at, *number, message).await,
            Step::CloseWatch(number) => {
                self.compare_watches(at).await?;
                self.watches.remove(number);
                Ok(())
            }
            Step::Restart(how) => self.restart(at, *how).await,
        }
    }

    /// Calls that may be under way together: one of any kind, or several that only read.
    async fn calls(&mut self, at: usize, steps: &[Step]) -> Result<(), Difference> {
        let calls = steps.iter().filter_map(|step| match step {
            Step::Call(rpc, message) => Some((rpc, message)),
            _ => None,
        });
        let calls: Vec<(&Rpc, &DynamicMessage)> = calls.collect();
        let asked =
            |side: usize| {
                let (client, known) = (&self.clients[side], &self.known[side]);
                join_all(calls.iter().map(move |(rpc, message)| async move {
                    client.call(rpc, &known.resolve(message)).await
                }))
            };
        let (ours, theirs) = tokio::join!(asked(0), asked(1));
        for ((offset, (rpc, message)), answers) in calls.iter().enumerate().zip(ours.into_iter().zip(theirs))
        {
            let mut answers = [answers.0, answers.1];
            if rpc.name() == "HashKV" {
                match self.settled_hash(rpc, message, answers).await {
                    Some(settled) => answers = settled,
                    None => continue,
                }
            }
            self.compare(at + offset, rpc.name(), message, answers)?;
        }
        Ok(())
    }

    /// Compares the two answers to one request, and learns from them.
    fn compare(
        &mut self,
        at: usize,
        call: &str,
        request: &DynamicMessage,
        answers: [Answer; 2],
    ) -> Result<(), Difference> {
        for (known, answer) in self.known.iter_mut().zip(&answers) {
            learn(known, call, request, answer);
        }
        let mut answers = answers.into_iter().zip(&self.known).map(|(answer, known)| {
            answer.map(|answer| {
                let mut answer = normalize::own(answer, known);
                ties::settle(request, &mut answer);
                answer
            })
        });
        let ours = answers.next().expect("two answers");
        let mut theirs = answers.next().expect("two answers");
        if let (Ok(ours), Ok(theirs)) = (&ours, &mut theirs) {
            let run_secs = i64::try_from(self.started_at.elapsed().as_secs()).unwrap_or(i64::MAX);
            // After a restart etcd gives a lease its whole time again.
            normalize::times(ours, theirs, SLACK_SECS + if self.tally.restarts > 0 { run_secs } else { 0 });
        }
        self.tally.count(call, ours.is_err());
        if ours == theirs { Ok(()) } else { Err(Difference::at(at, [text(&ours), text(&theirs)])) }
    }

    async fn keep_alive(&mut self, at: usize, message: &DynamicMessage) -> Result<(), Difference> {
        let rpc = Rpc::named("LeaseKeepAlive").expect("etcd has it");
        let clients = &self.clients;
        let streams =
            self.keepalives.get_or_insert_with(|| clients.each_ref().map(|client| client.open(&rpc)));
        let mut answers = Vec::new();
        for (stream, known) in streams.iter_mut().zip(&self.known) {
            stream.send(&known.resolve(message));
        }
        for stream in streams {
            let hangs = || Err(tonic::Status::deadline_exceeded("no answer: it hangs").into());
            answers.push(stream.next(RENEWED_WITHIN).await.unwrap_or_else(hangs));
        }
        let answers: [Answer; 2] = answers.try_into().expect("one answer a stream");
        self.compare(at, rpc.name(), message, answers)
    }

    async fn watch(&mut self, at: usize, number: u8, message: &DynamicMessage) -> Result<(), Difference> {
        let is_create = message.has_field_by_name("create_request");
        if !is_create {
            self.compare_watches(at).await?;
        }
        let rpc = watching::watch();
        if !self.watches.contains_key(&number) {
            let streams = self.clients.each_ref().map(|client| client.open(&rpc));
            self.watches.insert(number, Watching::open(streams, &self.known).await);
        }
        let watching = self.watches.get_mut(&number).expect("opened just above");
        watching.send(message, &self.known).await;
        self.may_lag |= is_create;
        self.tally.count(rpc.name(), false);
        if !is_create {
            let said = watching.take(None, &self.known).await;
            self.tally.watched += watching::compared(&said);
            return same(at, said);
        }
        Ok(())
    }

    /// Everything both have said on all streams by now.
    async fn compare_watches(&mut self, at: usize) -> Result<(), Difference> {
        if self.watches.is_empty() {
            return Ok(());
        }
        if std::mem::take(&mut self.may_lag) {
            self.until_synced(at).await?;
        }
        let revision = self.write_sentinel(at).await?;
        for watching in self.watches.values_mut() {
            let said = watching.take(revision, &self.known).await;
            self.tally.watched += watching::compared(&said);
            same(at, said)?;
        }
        Ok(())
    }

    /// etcd brings all watches that lag up to date together: when one that starts at the newest revision, created
    /// after them on a stream of its own, is synced, so are they.
    async fn until_synced(&mut self, at: usize) -> Result<(), Difference> {
        let rpc = watching::watch();
        let streams = self.clients.each_ref().map(|client| client.open(&rpc));
        let mut probe = Watching::open(streams, &self.known).await;
        let text =
            format!("create_request{{key:\"{SENTINEL_KEY}\",start_revision:{}}}", self.known[0].revision);
        let create = DynamicMessage::parse_text_format(rpc.input(), &text).expect("a WatchRequest");
        probe.send(&create, &self.known).await;
        if probe.until_synced(&self.known).await {
            return Ok(());
        }
        let said = probe.take(None, &self.known).await;
        Err(Difference::at(at, said.map(|said| format!("a new watch does not become synced\n{said}"))))
    }

    /// The revision of a write to the sentinel's key; none where an alarm forbids writes, and then nothing happens.
    async fn write_sentinel(&mut self, at: usize) -> Result<Option<i64>, Difference> {
        self.sentinels += 1;
        let put = Rpc::named("Put").expect("etcd has it");
        let text = format!("key:\"{SENTINEL_KEY}\",value:\"{}\"", self.sentinels);
        let request = DynamicMessage::parse_text_format(put.input(), &text).expect("a Put");
        let before = self.known[0].revision;
        self.calls(at, &[Step::Call(put, request)]).await?;
        Ok(Some(self.known[0].revision).filter(|revision| *revision > before))
    }

    async fn restart(&mut self, at: usize, how: Stop) -> Result<(), Difference> {
        self.compare_watches(at).await?;
        self.watches.clear();
        self.keepalives = None;
        let [detcd, etcd] = &mut self.servers;
        let (ours, theirs) = tokio::join!(detcd.stop(how), etcd.stop(how));
        if ours.is_err() || theirs.is_err() {
            let told = |result: Result<(), String>| result.err().unwrap_or_else(|| "stopped".to_owned());
            return Err(Difference::at(at, [told(ours), told(theirs)]));
        }
        let started = tokio::join!(detcd.start(), etcd.start());
        let told = |result: &Result<(Client, Known), String>| match result {
            Ok((_, known)) => format!("revision {}", known.revision),
            Err(error) => error.clone(),
        };
        let texts = [told(&started.0), told(&started.1)];
        let (Ok(ours), Ok(theirs)) = started else { return Err(Difference::at(at, texts)) };
        self.tally.restarts += 1;
        if texts[0] != texts[1] || ours.1.revision != self.known[0].revision {
            let was = format!("it was {}", self.known[0].revision);
            return Err(Difference::at(at, texts.map(|text| format!("{text}; {was}"))));
        }
        self.clients = [ours.0, theirs.0];
        Ok(())
    }
}

fn learn(known: &mut Known, call: &str, request: &DynamicMessage, answer: &Answer) {
    let Ok(answer) = answer else { return };
    known.revision = known.revision.max(revision_of(answer));
    let number =
        |message: &DynamicMessage, name| message.get_field_by_name(name).and_then(|value| value.as_i64());
    match call {
        "Compact" => known.compacted = number(&known.resolve(request), "revision").unwrap_or(0),
        "LeaseGrant" if number(request, "ID") == Some(0) => known.leases.extend(number(answer, "ID")),
        _ => {}
    }
}

fn same(at: usize, said: [watching::Said; 2]) -> Result<(), Difference> {
    let [ours, theirs] = said;
    if ours == theirs { Ok(()) } else { Err(Difference::at(at, [ours.to_string(), theirs.to_string()])) }
}

fn text(answer: &Answer) -> String {
    match answer {
        Ok(answer) => {
            let options = prost_reflect::text_format::FormatOptions::new().skip_unknown_fields(false);
            answer.to_text_format_with_options(&options)
        }
        Err(refusal) => refusal.to_string(),
    }
}

/// Where scripts put their data.
pub(crate) fn data_dir(base: &Path) -> std::io::Result<PathBuf> {
    let dir = base.join(format!("detcd-differential-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    Ok(dir)
}
