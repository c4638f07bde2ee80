//! What detcd-sim says to a file that is no case: which file, which field, exit code 1, and nothing is written.
#![cfg(madsim)]

use detcd_sim::case::Case;
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};

fn detcd_sim(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_detcd-sim")).args(arguments).output().expect("the binary was built")
}

/// A good case with something else at a pointer.
fn case_with(pointer: &str, value: Value) -> String {
    let mut case: Value = serde_json::from_str(&Case::draw(1).to_text()).expect("a case is JSON");
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer begins with a slash");
    case.pointer_mut(parent).expect("a field of a case")[name] = value;
    case.to_string()
}

fn planned(fault: Value) -> Value {
    json!([{ "at_ms": 5, "fault": fault }])
}

#[test]
fn a_bad_file_is_named_with_its_field() {
    let (one, faults) = (json!(1), "/swarm/plan/faults");
    for (what, text, said) in [
        ("not JSON", "{".to_owned(), &["not JSON", "line 1"][..]),
        ("no format", "{}".to_owned(), &["field format: missing"]),
        ("a later format", case_with("/format", json!(2)), &["field format: 2 is not known"]),
        ("a format in words", case_with("/format", json!("1")), &["field format: \"1\" is not known"]),
        (
            "a field too many",
            case_with("/swarm/load/spite", one.clone()),
            &["field swarm.load", "unknown field `spite`"],
        ),
        (
            "words for a number",
            case_with("/swarm/members", json!("three")),
            &["field swarm.members", "invalid type: string"],
        ),
        (
            "less than nothing",
            case_with("/swarm/load/keys", json!(-1)),
            &["field swarm.load.keys", "invalid value"],
        ),
        ("no members", case_with("/swarm/members", json!(0)), &["field swarm.members"]),
        ("no clients", case_with("/swarm/load/clients", json!([])), &["field swarm.load.clients"]),
        (
            "a removed fault",
            case_with(faults, planned(json!({ "meteor": { "member": 0 } }))),
            &["field swarm.plan.faults[0].fault", "unknown variant `meteor`"],
        ),
        (
            "a fault of nobody",
            case_with(faults, planned(json!({ "kill": { "member": 9, "down_ms": 1 } }))),
            &["field swarm.plan.faults[0]", "member 9"],
        ),
        (
            "a fault with half its fields",
            case_with(faults, planned(json!({ "kill": { "member": 0 } }))),
            &["field swarm.plan.faults[0].fault", "missing field `down_ms`"],
        ),
        ("an unknown bug", case_with("/bug", json!("gremlin")), &["field bug", "gremlin"]),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("bad.json");
        std::fs::write(&path, &text).unwrap();
        for verb in ["replay", "shrink"] {
            let output = detcd_sim(&[verb, path.to_str().unwrap()]);
            let printed = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(1), "{verb}, {what}: {printed}");
            for words in [path.to_str().unwrap()].iter().chain(said) {
                assert!(printed.contains(words), "{verb}, {what}: {words:?} is not in {printed:?}");
            }
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "{what}: the file was written");
        assert_eq!(
            std::fs::read_dir(directory.path()).unwrap().count(),
            1,
            "{what}: a file was written beside it"
        );
    }
}

#[test]
fn what_cannot_be_done_is_reported_with_exit_code_1() {
    for (arguments, said) in [
        (&["replay", "no/such/file.json"][..], "no/such/file.json"),
        (&["run", "twelve"], "invalid value 'twelve'"),
        (&["many", "5", "--first", "x"], "invalid value 'x'"),
        (&["dance"], "unrecognized subcommand 'dance'"),
        (&[], "Usage"),
    ] {
        let output = detcd_sim(arguments);
        let printed = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {printed}");
        assert!(printed.contains(said), "{arguments:?}: {printed}");
    }
}

#[test]
fn what_is_saved_never_takes_the_place_of_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let first = Case::draw(1).save(directory.path(), "case").unwrap();
    let second = Case::draw(2).save(directory.path(), "case").unwrap();
    assert_eq!((name(&first), name(&second)), ("case.json", "case-2.json"));
    assert_eq!(Case::load(&first).unwrap(), Case::draw(1));
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).expect("a file that was saved")
}
