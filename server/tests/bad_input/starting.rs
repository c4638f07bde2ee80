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
            "invalid value \"soon\" for flag --heartbeat-interval: expected a number of milliseconds, 0 or more",
        ),
        (
            vec!["-max-txn-ops", "0"],
            "invalid value \"0\" for flag --max-txn-ops: expected a number of operations above 0",
        ),
        (
            vec!["--listen-client-urls=localhost"],
            "invalid value \"localhost\" for flag --listen-client-urls: expected a URL of http, https, unix or unixs: http://host:port",
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

#[test]
fn a_check_says_everything_and_touches_nothing() {
    let dir = TempDir::new().unwrap();
    let check = |flags: &[&str]| {
        let output = detcd().arg("--check-config").args(flags).current_dir(dir.path()).output().unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "{flags:?}: something was written");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned() + &text(&output))
    };
    let (code, said) = check(&["--log-outputs=a.log", "--max-wals=9"]);
    assert_eq!(code, Some(0), "{said}");
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].starts_with("warning: --max-wals means nothing here: "), "{said}");
    assert_eq!(lines[1..], ["the configuration is fine"]);
    let (code, said) = check(&["--max-txn-ops=0", "--nme=x", "--cert-file=x"]);
    assert_eq!((code, said.lines().count()), (Some(1), 3), "{said}");
    // What only a start would find out.
    let (code, said) = check(&["--name=b", "--initial-cluster=a=http://localhost:2380"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("couldn't find local name \"b\""), "{said}");
}

#[test]
fn a_configuration_file_and_the_files_it_logs_to() {
    let dir = TempDir::new().unwrap();
    let taken = free_port();
    let _holder = std::net::TcpListener::bind(("127.0.0.1", taken)).unwrap();
    let file = dir.path().join("etcd.conf.yml");
    let text_of_file = format!(
        "name: m\nlisten-peer-urls: http://127.0.0.1:{taken}\nlog-outputs: [a.log, stderr]\n\
         log-format: console\nelection-timeot: 5\n"
    );
    std::fs::write(&file, text_of_file).unwrap();
    let mut command = detcd();
    command.env("ETCD_CONFIG_FILE", &file).env("ETCD_NAME", "hush").current_dir(dir.path());
    let output = command.output().unwrap();
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(std::fs::read_to_string(dir.path().join("a.log")).unwrap(), said);
    assert!(!said.contains("hush"), "{said}");
    let shown = file.display();
    for expected in [
        format!(
            "\tloaded server configuration, other configuration command line flags and environment variables will be ignored if provided\t{{\"path\": \"{shown}\"}}\n"
        ),
        format!("\t{{\"path\": \"{shown}\", \"ignored\": \"ETCD_NAME\"}}\n"),
        format!(
            "\"place\": \"{shown}:5\", \"key\": \"election-timeot\", \"did-you-mean\": \"election-timeout\"}}\n"
        ),
        format!("--listen-peer-urls: listen tcp 127.0.0.1:{taken}: bind: "),
    ] {
        assert!(said.contains(&expected), "{expected}: {said}");
    }
    let columns: Vec<&str> = said.lines().next().unwrap().split('\t').collect();
    assert_eq!((columns.len(), columns[1]), (5, "info"), "{said}");
    // A log that cannot be opened is found before anything else is done.
    let output = run(&["--log-outputs=/no/such/dir/a.log".to_owned()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).starts_with("--log-outputs: open /no/such/dir/a.log: "), "{}", text(&output));
}
