//! What stops nothing and must be told: a line of the log at the start, and a line of `--check-config`.

use super::flags::{Notice, PassedOver};
use std::fmt;
use tracing::{info, warn};

/// One line, in etcd's words where etcd has some. No value that was given is in it.
pub(crate) fn log(notice: &Notice) {
    match notice {
        Notice::OnlyTheFile { path, ignored } => {
            info!(
                path,
                "loaded server configuration, other configuration command line flags and environment variables will be \
                 ignored if provided"
            );
            if !ignored.is_empty() {
                let ignored = ignored.join(", ");
                warn!(
                    path,
                    ignored, "ignored flags and variables that are given beside the configuration file"
                );
            }
        }
        Notice::PassedOver(PassedOver::Unknown { place, key, meant: Some(meant) }) => {
            warn!(place, key, did_you_mean = meant, "ignored an unknown key of the configuration file");
        }
        Notice::PassedOver(PassedOver::Unknown { place, key, meant: None }) => {
            warn!(place, key, "ignored an unknown key of the configuration file");
        }
        Notice::PassedOver(PassedOver::More(count)) => {
            warn!(count, "ignored more unknown keys of the configuration file");
        }
        Notice::PassedOver(PassedOver::Repeated { place, key }) => {
            warn!(place, key, "ignored a value of the configuration file: the key has a later one");
        }
        Notice::PassedOver(PassedOver::Documents { path }) => {
            warn!(path, "ignored what follows the first document of the configuration file");
        }
        Notice::UnknownVariable(name) => {
            warn!(environment_variable = name, "unrecognized environment variable");
        }
        Notice::NoLongerSupported(name) => {
            warn!(flag_name = name, "flag is no longer supported - ignoring");
        }
        Notice::Deprecated(text) => warn!("{text}"),
        Notice::MeansNothing { name, why } => {
            warn!(setting = name, reason = why, "a setting of etcd's means nothing here");
        }
        Notice::UnusedCertificate(side) => {
            warn!(
                side,
                "every listen URL is without TLS while key/cert files are presented: they are not used"
            );
        }
        Notice::ProgressIntervalRaised => {
            let min = "100ms";
            warn!(
                min_watch_progress_notify_interval = min,
                "adjusting watch progress notify interval to minimum period"
            );
        }
        Notice::LargeQuota(bytes) => {
            warn!(quota_size_bytes = bytes, "quota exceeds suggested maximum of 8 GiB");
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Notice::OnlyTheFile { path, ignored } = self
            && ignored.is_empty()
        {
            return write!(f, "all settings are those of {path}");
        }
        f.write_str("warning: ")?;
        match self {
            Notice::OnlyTheFile { path, ignored } => {
                write!(f, "only {path} counts: {} ignored", ignored.join(", "))
            }
            Notice::PassedOver(PassedOver::Unknown { place, key, meant: Some(meant) }) => {
                write!(f, "{place}: {key} is no key and is ignored (did you mean {meant}?)")
            }
            Notice::PassedOver(PassedOver::Unknown { place, key, meant: None }) => {
                write!(f, "{place}: {key} is no key and is ignored")
            }
            Notice::PassedOver(PassedOver::More(count)) => write!(f, "{count} more unknown keys are ignored"),
            Notice::PassedOver(PassedOver::Repeated { place, key }) => {
                write!(f, "{place}: {key} comes again later, and this value is ignored")
            }
            Notice::PassedOver(PassedOver::Documents { path }) => {
                write!(f, "{path}: what follows the first document is ignored")
            }
            Notice::UnknownVariable(name) => write!(f, "{name} is no flag's variable"),
            Notice::NoLongerSupported(name) => write!(f, "--{name} is no longer supported and is ignored"),
            Notice::Deprecated(text) => f.write_str(text),
            Notice::MeansNothing { name, why } => write!(f, "{name} means nothing here: {why}"),
            Notice::UnusedCertificate(side) => {
                write!(f, "certificate and key of the {side} side are not used: no URL of it is https")
            }
            Notice::ProgressIntervalRaised => {
                f.write_str("--watch-progress-notify-interval is raised to its minimum of 100ms")
            }
            Notice::LargeQuota(bytes) => {
                write!(f, "a quota of {bytes} bytes is more than the 8 GiB that etcd suggests")
            }
        }
    }
}
