//! The two servers as processes: started, stopped either way, started again on the same data and ports.

use crate::catalog::Rpc;
use crate::client::Client;
use crate::script::Stop;
use crate::symbols::Known;
use prost_reflect::DynamicMessage;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A server that has not served by then never will.
const SERVES_WITHIN: Duration = Duration::from_secs(60);

/// Nor has one anything left to do so long after it was asked to stop.
const STOPS_WITHIN: Duration = Duration::from_secs(30);

/// What both write in.
const STORAGE_VERSION: &str = "3.7.0";

/// Where servers listen.
const PORTS: std::ops::Range<u32> = 15_000..32_000;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Detcd,
    Etcd,
}

/// One server: its program, its place, and its process while it runs.
#[derive(Debug)]
pub(crate) struct Server {
    kind: Kind,
    program: PathBuf,
    dir: PathBuf,
    pub(crate) port: u16,
    peer_port: u16,
    child: Option<Child>,
}

impl Server {
    /// A server that has never run. `dir` is its alone.
    pub(crate) fn new(kind: Kind, program: &Path, dir: PathBuf) -> io::Result<Server> {
        std::fs::create_dir_all(&dir)?;
        let (port, peer_port) = (free_port()?, free_port()?);
        Ok(Server { kind, program: program.to_owned(), dir, port, peer_port, child: None })
    }

    /// Starts it and waits until it serves: the connection, and which member it says it is.
    pub(crate) async fn start(&mut self) -> Result<(Client, Known), String> {
        let what = format!("{:?} ({})", self.kind, self.program.display());
        let log = File::options().create(true).append(true).open(self.dir.join("log"));
        let log = log.map_err(|error| format!("{what}: {error}"))?;
        let (client, peer) =
            (format!("http://127.0.0.1:{}", self.port), format!("http://127.0.0.1:{}", self.peer_port));
        let mut command = Command::new(&self.program);
        command.arg("--name=m0").arg(format!("--data-dir={}", self.dir.join("data").display()));
        match self.kind {
            Kind::Detcd => command.args([
                format!("--listen-client-urls={client}"),
                format!("--advertise-client-urls={client}"),
                format!("--listen-peer-urls={peer}"),
                format!("--initial-advertise-peer-urls={peer}"),
                format!("--initial-cluster=m0={peer}"),
                "--log-level=warn".to_owned(),
            ]),
            Kind::Etcd => command.args([
                format!("--client-url={client}"),
                format!("--peer-url={peer}"),
                "--stop-on-eof".to_owned(),
            ]),
        };
        let stderr = log.try_clone().map_err(|error| format!("{what}: {error}"))?;
        command.stdin(Stdio::piped()).stdout(log).stderr(stderr);
        self.child = Some(command.spawn().map_err(|error| format!("{what}: {error}"))?);
        let deadline = Instant::now() + SERVES_WITHIN;
        let mut has_ended = false;
        while !has_ended && Instant::now() < deadline {
            if let Some(served) = self.serves().await {
                return Ok(served);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
            has_ended = self.child.as_mut().is_none_or(|child| !matches!(child.try_wait(), Ok(None)));
        }
        Err(format!("{what} does not serve; its log ends:\n{}", self.log_end()))
    }

    /// It has a leader, itself, says what it will say of its storage, and answers a read that asks the leader.
    async fn serves(&self) -> Option<(Client, Known)> {
        let client = Client::connect(self.port).await.ok()?;
        let status = Rpc::named("Status").expect("etcd has it");
        let answer = client.call(&status, &DynamicMessage::new(status.input())).await.ok()?;
        let member =
            answer.get_field_by_name("leader").and_then(|leader| leader.as_u64()).filter(|id| *id != 0)?;
        // A new etcd now and then says 3.5.0 for its first seconds, until it has written the version down.
        answer
            .get_field_by_name("storageVersion")
            .filter(|version| version.as_str() == Some(STORAGE_VERSION))?;
        let range = Rpc::named("Range").expect("etcd has it");
        let any = DynamicMessage::parse_text_format(range.input(), "key:\"a\"").expect("a Range");
        let answer = client.call(&range, &any).await.ok()?;
        Some((client, Known { revision: revision_of(&answer), member, ..Known::default() }))
    }

    /// Ends the process. Its clients live on meanwhile: they are asked to leave, and answer.
    pub(crate) async fn stop(&mut self, how: Stop) -> Result<(), String> {
        let Some(child) = &mut self.child else { return Ok(()) };
        let told = |error: io::Error| error.to_string();
        match how {
            Stop::Kill => child.kill().map_err(told)?,
            Stop::Term => {
                kill_process(Pid::from_child(child), Signal::TERM).map_err(|error| told(error.into()))?
            }
        }
        let deadline = Instant::now() + STOPS_WITHIN;
        while child.try_wait().map_err(told)?.is_none() {
            if Instant::now() > deadline {
                return Err(format!("{:?} does not stop; its log ends:\n{}", self.kind, self.log_end()));
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        self.child = None;
        Ok(())
    }

    /// The last lines of what it logged.
    pub(crate) fn log_end(&self) -> String {
        let log = std::fs::read_to_string(self.dir.join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Server {
    /// The data go with it: nothing is lost by force.
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// The revision in an answer's header; 0 where there is none.
pub(crate) fn revision_of(answer: &DynamicMessage) -> i64 {
    let header = answer.get_field_by_name("header");
    let revision =
        header.as_ref().and_then(|header| header.as_message()?.get_field_by_name("revision")?.as_i64());
    revision.unwrap_or(0)
}

/// A port that nobody listens on, another one each time.
///
/// The system hands out its own for clients' ends at any time, also to other programs and also while a server is being
/// restarted: these lie below them (`net.ipv4.ip_local_port_range`).
fn free_port() -> io::Result<u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Two of these programs at once begin far from each other.
    let first = std::process::id().wrapping_mul(997);
    let mut result = Err(io::ErrorKind::AddrInUse.into());
    for _ in PORTS {
        let at = first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % (PORTS.end - PORTS.start);
        let port = u16::try_from(PORTS.start + at).expect("PORTS are ports");
        result = TcpListener::bind(("127.0.0.1", port)).map(|_| port);
        if result.is_ok() {
            break;
        }
    }
    result
}
