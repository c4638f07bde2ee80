//! The command line, the environment and the configuration file: any text, read or refused, within the bounds of time and
//! memory.
//!
//! The binary's own files are compiled in, since a binary has no library.

#[path = "../../server/src/process/flags/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the binary uses more of it")]
pub(crate) mod flags;

use flags::{Invocation, Refusal};

/// Words of a command line are separated by this.
const BETWEEN: char = '\n';

/// A configuration file.
pub fn config_file(input: &[u8]) {
    let outcome = flags::parse(["--config-file=config.yml".to_owned()], [], |_| Ok(input.to_vec()));
    hold(outcome);
}

/// A command line, and after an empty word an environment.
pub fn command_line(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let (arguments, environment) = text.split_once("\n\n").unwrap_or((text, ""));
    let words = arguments.split(BETWEEN).filter(|word| !word.is_empty()).map(str::to_owned);
    let variables = environment.split(BETWEEN).filter_map(|line| line.split_once('='));
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let words: Vec<String> = words.collect();
    let outcome = flags::parse(words.clone(), variables.clone(), |_| Ok(Vec::new()));
    hold(outcome);
    // Whoever asks whether it is right is told the same, and nothing is run.
    let is_refused = flags::parse(words.clone(), variables.clone(), |_| Ok(Vec::new())).is_err();
    let asked = std::iter::once("--check-config".to_owned()).chain(words);
    let checked = flags::parse(asked, variables, |_| Ok(Vec::new()));
    if !text.contains("check-config") {
        assert!(!matches!(checked, Ok(Invocation::Run(_))), "a check would run a member");
        assert_eq!(checked.is_err(), is_refused, "a check says something else than a start");
    }
}

/// What holds of every outcome.
fn hold(outcome: Result<Invocation, Refusal>) {
    match outcome {
        Ok(Invocation::Run(settings) | Invocation::Check(settings)) => {
            let server = settings.server;
            assert!(server.heartbeat_interval_ms > 0 && server.txn_ops_max > 0, "{server:?}");
            assert!(server.election_timeout_ms >= 5 * server.heartbeat_interval_ms, "{server:?}");
            assert!(server.election_timeout_ms <= 50_000 && server.quota_bytes > 0, "{server:?}");
            assert!(
                !server.listen_client_urls.is_empty() && !server.initial_cluster.is_empty(),
                "{server:?}"
            );
            assert!(!settings.log.outputs.is_empty(), "nothing is logged anywhere");
        }
        Ok(Invocation::Print(text)) => assert!(!text.is_empty(), "nothing is printed"),
        Err(refusal) => {
            assert!(matches!(refusal.exit_code, 1 | 2), "{}", refusal.exit_code);
            assert!(!refusal.to_string().is_empty(), "refused without a word");
        }
    }
}
