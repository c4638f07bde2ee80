//! Variables: in place of flags, never beside them.

use super::*;

#[test]
fn variables_stand_in_for_flags() {
    let environment =
        [("ETCD_NAME", "a"), ("ETCD_MAX_TXN_OPS", ""), ("ETCD_VERSION", "3"), ("ETCDCTL_API", "3")];
    let settings = run(&[], &environment).unwrap();
    assert_eq!((settings.server.name.as_str(), settings.server.txn_ops_max), ("a", 128));
    assert_eq!(settings.notices, []);
    assert!(settings.flags_given.contains("name"));
}

#[test]
fn a_variable_that_is_no_flags_is_named_without_its_value() {
    for name in ["ETCD_SECRET", "ETCD_HELP", "ETCD_CHECK_CONFIG", "ETCD_SERVICE_PORT"] {
        let settings = run(&[], &[(name, "hush")]).unwrap();
        assert_eq!(settings.notices, [Notice::UnknownVariable(name.into())]);
    }
}

#[test]
fn a_flag_given_both_ways_is_refused_without_its_value() {
    let refusal = run(&["--name=a"], &[("ETCD_NAME", "hush")]).unwrap_err();
    assert_eq!(refusal.exit_code, 1);
    let text = refusal.to_string();
    assert!(text.contains("ETCD_NAME is shadowed") && !text.contains("hush"), "{text}");
    let refusal = run(&[], &[("ETCD_MAX_TXN_OPS", "hush")]).unwrap_err();
    let expected =
        "invalid value in environment variable ETCD_MAX_TXN_OPS: expected a number of operations above 0";
    assert_eq!((refusal.exit_code, refusal.to_string().as_str()), (1, expected));
    let refusal = run(&[], &[("ETCD_LISTEN_PEER_URLS", "http://me:hush@a")]).unwrap_err();
    assert!(!refusal.to_string().contains("hush"), "{refusal}");
}

#[test]
fn two_names_of_one_flag_must_say_the_same() {
    let same = run(&["--max-learners=1", "--experimental-max-learners=0x1"], &[]).unwrap();
    assert!(matches!(&same.notices[..], [Notice::Deprecated(_)]), "{:?}", same.notices);
    let both = ["--watch-progress-notify-interval=5s", "--experimental-watch-progress-notify-interval=6s"];
    refused(&both, 1, "to different values: use --watch-progress-notify-interval alone");
    let refusal =
        run(&["--warning-apply-duration=5s"], &[("ETCD_EXPERIMENTAL_WARNING_APPLY_DURATION", "6s")]);
    let text = refusal.unwrap_err().to_string();
    assert!(text.contains("both --warning-apply-duration and ETCD_EXPERIMENTAL_WARNING"), "{text}");
    let gates = ["--feature-gates=InitialCorruptCheck=false", "--experimental-initial-corrupt-check"];
    refused(&gates, 1, "set InitialCorruptCheck, to different values");
    assert!(run(&["--feature-gates=InitialCorruptCheck=true", gates[1]], &[]).is_ok());
}
