//! Checks and limits of a running member, what is unsafe, and where settings come from.

use super::{Flag, Form, means_nothing, not_built, number, works};

const COMPACTION: &str = "what a compaction has superseded leaves memory in slices between other work";

pub(super) const FLAGS: &[Flag] = &[
    not_built(
        "corrupt-check-time",
        Form::Duration,
        "0s",
        "Time between two comparisons of all members' data; 0s is never",
        "comparing members' data",
    ),
    means_nothing(
        "compact-hash-check-time",
        Form::Duration,
        "1m",
        "Time between two comparisons of hashes, where the gate CompactHashCheck is on",
        "the gate CompactHashCheck is not available",
    ),
    means_nothing(
        "compaction-batch-limit",
        Form::Number { of: "revisions", min: i64::MIN as i128, max: i64::MAX as i128 },
        "1000",
        "Most revisions that a compaction removes at once",
        COMPACTION,
    ),
    works(
        "peer-skip-client-san-verification",
        Form::Boolean,
        "false",
        "Take members' certificates wherever they come from",
    ),
    works(
        "watch-progress-notify-interval",
        Form::Duration,
        "10m",
        "How often idle watches that asked for it are told so; 100ms at least",
    ),
    means_nothing(
        "warning-apply-duration",
        Form::Duration,
        "100ms",
        "Time above which applying a request is logged",
        "requests whose apply takes long are not logged yet",
    ),
    means_nothing(
        "bootstrap-defrag-threshold-megabytes",
        number("megabytes"),
        "0",
        "Defragment at the start where it frees so much",
        "there is no database file that could be fragmented",
    ),
    not_built(
        "max-learners",
        Form::Number { of: "members", min: i64::MIN as i128, max: i64::MAX as i128 },
        "1",
        "Most learners in a cluster",
        "a cluster with learners",
    )
    .also(&["0"]),
    means_nothing(
        "compaction-sleep-interval",
        Form::Duration,
        "10ms",
        "Pause between two batches of a compaction",
        COMPACTION,
    ),
    means_nothing(
        "downgrade-check-time",
        Form::Duration,
        "5s",
        "Time between two looks whether a downgrade is done",
        "there are no downgrades",
    ),
    means_nothing(
        "snapshot-catchup-entries",
        number("entries"),
        "5000",
        "Entries of the log that are kept for slow followers",
        "how much of the log is kept for them is bounded in bytes",
    ),
];

pub(super) const UNSAFE: &[Flag] = &[
    not_built(
        "force-new-cluster",
        Form::Boolean,
        "false",
        "Make a cluster of this member alone, out of its data directory",
        "making a new cluster of one member's data",
    ),
    not_built(
        "unsafe-no-fsync",
        Form::Boolean,
        "false",
        "Do not wait for the disk. A crash of the machine loses data",
        "running without fsync",
    ),
];

pub(super) const CONFIGURATION: &[Flag] = &[works(
    "config-file",
    Form::Text,
    "",
    "Path to a file (YAML or JSON) with all settings; other flags and variables are then ignored",
)];

pub(super) const QUESTIONS: &[Flag] = &[
    works(
        "check-config",
        Form::Boolean,
        "false",
        "Say everything that is wrong with the settings, and exit: 0 or 1",
    ),
    works("print-config", Form::Boolean, "false", "Print every setting and where it comes from, and exit"),
    works("version", Form::Boolean, "false", "Print the version and exit"),
    works("help", Form::Boolean, "false", "Print this and exit"),
];
