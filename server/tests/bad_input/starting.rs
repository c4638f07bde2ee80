//! What an operator can get wrong: the process says what, and ends with the code that scripts look for.

use crate::processes::{Cluster, detcd, free_port};
use std::process::Output;
use tempfile::TempDir;

fn run(flags: &[String]) -> Output {
    detcd().args(flags).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_flag_that_does_not_parse_ends_the_process_with_2_and_is_named() {
    for (flags, expected) in [
        (
            vec!["--heartbeat-interval=soon"],
            "invalid value \"soon\" for flag --heartbeat-interval: expected a number of milliseconds above 0",
        ),
        (
            vec!["-max-txn-ops", "0"],
            "invalid value \"0\" for flag --max-txn-ops: expected a number of operations above 0",
        ),
        (
            vec!["--listen-client-urls=localhost"],
            "invalid value \"localhost\" for flag --listen-client-urls: expected http://host:port",
        ),
        (vec!["--no-such-flag=1"], "--no-such-flag"),
    ] {
        let dir = TempDir::new().unwrap();
        let output = detcd().args(&flags).current_dir(dir.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {}", text(&output));
        assert!(text(&output).contains(expected), "{flags:?}: {}", text(&output));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "{flags:?}: something was written");
    }
}

#[test]
fn flags_that_contradict_each_other_end_the_process_with_1() {
    let output = run(&["--election-timeout=200".to_owned(), "--heartbeat-interval=100".to_owned()]);
    assert_eq!(output.status.code(), Some(1));
    let expected = "--election-timeout[200ms] should be at least as 5 times as --heartbeat-interval[100ms]";
    assert!(text(&output).contains(expected), "{}", text(&output));
}

#[test]
fn a_port_in_use_ends_the_process_with_1_and_touches_no_disk() {
    let dir = TempDir::new().unwrap();
    let data_dir = dir.path().join("data");
    let taken = free_port();
    let _holder = std::net::TcpListener::bind(("127.0.0.1", taken)).unwrap();
    for used_for in ["peer", "client"] {
        let port_for = |purpose: &str| if purpose == used_for { taken } else { free_port() };
        let (peer, client) = (port_for("peer"), port_for("client"));
        let output = run(&[
            format!("--data-dir={}", data_dir.display()),
            format!("--listen-peer-urls=http://127.0.0.1:{peer}"),
            format!("--listen-client-urls=http://127.0.0.1:{client}"),
            format!("--advertise-client-urls=http://127.0.0.1:{client}"),
        ]);
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
        let expected = format!("--listen-{used_for}-urls: listen tcp 127.0.0.1:{taken}: bind: ");
        assert!(text(&output).contains(&expected), "{}", text(&output));
        assert!(!data_dir.exists());
    }
}

#[tokio::test]
async fn a_data_directory_of_another_format_ends_the_process_with_1() {
    let mut cluster = Cluster::alone(&[]).await;
    let member = &mut cluster.members[0];
    member.kill();
    let shown = member.data_dir.display().to_string();
    let peer = format!("http://127.0.0.1:{}", free_port());
    let client = format!("http://127.0.0.1:{}", free_port());
    let flags = [
        format!("--data-dir={shown}"),
        format!("--listen-peer-urls={peer}"),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
    ];
    let meta = member.data_dir.join("member/meta");
    let ours = std::fs::read_to_string(&meta).unwrap();
    std::fs::write(&meta, ours.replace("format 1\n", "format 9\n")).unwrap();
    let output = run(&flags);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let expected = format!("{shown}/member/meta is of format 9, this release reads format 1");
    assert!(text(&output).contains(&expected), "{}", text(&output));

    // None of that did any harm.
    std::fs::write(&meta, ours).unwrap();
    member.start();
    member.ready().await;
}
