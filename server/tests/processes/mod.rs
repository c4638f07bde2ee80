//! Members as an operator runs them: processes of the built binary on ports and directories of their own, killed when
//! the test ends, however it ends.
//!
//! Nothing here sleeps for a time that is hoped to be enough: `eventually` asks again until a deadline, and says what
//! it waited for. Ports lie below the kernel's own range: a member that dials a dead one's port out of that range can
//! get the very same port for its own end, and then talks to itself.

#![allow(dead_code, reason = "each test file uses a part")]

pub(crate) mod certificates;
mod cluster;

#[allow(unused_imports, reason = "each test file uses a part")]
pub(crate) use cluster::Cluster;

use detcd::pb;
use detcd::pb::kv_client::KvClient;
use detcd::peer::pb::peer_client::PeerClient;
use detcd::peer::pb::{InspectRequest, InspectResponse};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::future::Future;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};
use tonic::transport::{Channel, Endpoint};

/// How long anything may take before a test gives up: far more than it takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// Between two questions of `eventually`.
const ASK_AGAIN: Duration = Duration::from_millis(10);

/// A port of 127.0.0.1 that nobody listens on.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = (std::process::id() % 2_000) as u16 * 10;
    for _ in 0..20_000 {
        let port = 11_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port between 11000 and 31000");
}

/// Asks until there is an answer.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut ask: impl FnMut() -> F,
) -> T {
    let since = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(since.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain for: {what}");
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

/// The binary, with an environment that says nothing.
pub(crate) fn detcd() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_detcd"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ETCD_") {
            command.env_remove(name);
        }
    }
    command
}

/// One member: its flags, its directory, and its process while it runs.
pub(crate) struct Process {
    pub(crate) name: String,
    pub(crate) client_url: String,
    pub(crate) peer_url: String,
    pub(crate) data_dir: PathBuf,
    log: PathBuf,
    flags: Vec<String>,
    variables: Vec<(String, String)>,
    child: Option<Child>,
}

impl Process {
    /// Starts it (again).
    pub(crate) fn start(&mut self) {
        assert!(self.child.is_none(), "{} runs already", self.name);
        let log = File::options().append(true).create(true).open(&self.log).unwrap();
        let mut command = detcd();
        command
            .args(&self.flags)
            .envs(self.variables.clone())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        self.child = Some(command.spawn().unwrap());
    }

    /// As `kill -9`.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// As `kill`.
    pub(crate) fn ask_to_stop(&self) {
        let pid = Pid::from_child(self.child.as_ref().expect("it runs"));
        kill_process(pid, Signal::TERM).unwrap();
    }

    /// Waits until the process has ended on its own.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let child = self.child.as_mut().expect("it runs");
        let mut status = None;
        eventually("the process to end", || {
            status = child.try_wait().unwrap();
            std::future::ready(status)
        })
        .await;
        self.child = None;
        status.expect("it has ended")
    }

    /// Its own memory, that no file stands behind.
    pub(crate) fn anonymous_bytes(&self) -> u64 {
        let pid = self.child.as_ref().expect("it runs").id();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("Linux tells it");
        let kilobytes = line.trim().strip_suffix(" kB").expect("in kB");
        kilobytes.parse::<u64>().unwrap() * 1024
    }

    pub(crate) fn is_running(&self) -> bool {
        self.child.is_some()
    }

    /// Everything it has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Another flag from the next start on.
    pub(crate) fn add_flag(&mut self, flag: &str) {
        self.flags.push(flag.to_owned());
    }

    /// A variable of its environment from the next start on.
    pub(crate) fn set_variable(&mut self, name: &str, value: impl ToString) {
        self.variables.push((name.to_owned(), value.to_string()));
    }

    /// Its URLs for peers with TLS, its own and those of the others, from the next start on.
    pub(crate) fn encrypt_peers(&mut self) {
        for flag in &mut self.flags {
            if ["--listen-peer", "--initial-"].iter().any(|beginning| flag.starts_with(beginning)) {
                *flag = flag.replace("http:", "https:");
            }
        }
    }

    /// Without the flags that begin so, from the next start on.
    pub(crate) fn remove_flags(&mut self, beginning: &str) {
        self.flags.retain(|flag| !flag.starts_with(beginning));
    }

    pub(crate) fn channel(&self) -> Channel {
        channel(&self.client_url)
    }

    pub(crate) fn kv(&self) -> KvClient<Channel> {
        KvClient::new(self.channel()).max_decoding_message_size(usize::MAX)
    }

    /// What the member shows of its state; `None` where it does not answer.
    pub(crate) async fn inspect(&self) -> Option<InspectResponse> {
        let mut peer = PeerClient::new(channel(&self.peer_url));
        Some(peer.inspect(InspectRequest {}).await.ok()?.into_inner())
    }

    /// Its status; `None` where it does not answer.
    pub(crate) async fn status(&self) -> Option<pb::StatusResponse> {
        let mut client = pb::maintenance_client::MaintenanceClient::new(self.channel());
        Some(client.status(pb::StatusRequest {}).await.ok()?.into_inner())
    }

    /// Its anonymous memory, in kB.
    pub(crate) fn anon_kb(&self) -> u64 {
        self.anonymous_bytes() / 1024
    }

    /// Waits until it serves clients.
    pub(crate) async fn ready(&self) {
        eventually(&format!("{} to serve", self.name), || self.status()).await;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let shown = lines[lines.len().saturating_sub(30)..].join("\n");
            eprintln!("--- the end of {}'s log\n{shown}\n---", self.name);
        }
    }
}

/// A channel that connects when it is used, and gives a call up before a test would.
pub(crate) fn channel(url: &str) -> Channel {
    let endpoint = Endpoint::from_shared(url.to_owned()).unwrap();
    endpoint.connect_timeout(Duration::from_secs(1)).timeout(Duration::from_secs(10)).connect_lazy()
}

/// A put of these.
pub(crate) fn put(key: impl Into<bytes::Bytes>, value: impl Into<bytes::Bytes>) -> pb::PutRequest {
    pb::PutRequest { key: key.into(), value: value.into(), ..Default::default() }
}

/// A serializable range over a prefix.
pub(crate) fn local_range(prefix: &str) -> pb::RangeRequest {
    let mut end = prefix.as_bytes().to_vec();
    *end.last_mut().expect("a prefix") += 1;
    pb::RangeRequest {
        key: prefix.to_owned().into(),
        range_end: end.into(),
        serializable: true,
        ..Default::default()
    }
}
