//! Why the process cannot start: everything that is wrong with how it was called, not only the first thing.

use super::notice::Notice;
use std::fmt;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The command line itself cannot be read.
    pub(crate) is_usage: bool,
    /// A line that names the flag, the variable or the place in the file.
    pub(crate) text: String,
}

impl Problem {
    pub(crate) fn usage(text: impl Into<String>) -> Problem {
        Problem { is_usage: true, text: text.into() }
    }

    pub(crate) fn setting(text: impl Into<String>) -> Problem {
        Problem { is_usage: false, text: text.into() }
    }
}

/// All that is wrong, at least one thing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) problems: Vec<Problem>,
    /// What would have been told beside: a key that is misspelled may be the reason.
    pub(crate) notices: Vec<Notice>,
    /// For the process: 2 where the command line cannot be read, else 1, as etcd has it; always 1 where it was asked
    /// whether anything is wrong.
    pub(crate) exit_code: u8,
}

impl Refusal {
    pub(crate) fn new(problems: Vec<Problem>) -> Refusal {
        let exit_code = if problems.iter().any(|problem| problem.is_usage) { 2 } else { 1 };
        Refusal { problems, notices: Vec::new(), exit_code }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<&str> = self.problems.iter().map(|problem| problem.text.as_str()).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Refusal {}
