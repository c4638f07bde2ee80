//! A script: what is asked, one step a line, and its text.
//!
//! A line is the name of a call and its request in protobuf's text format, with symbols (see `symbols`):
//!
//! ```text
//! # prev_kv of a key that a transaction has just deleted
//! Put key:"a",value:"1"
//! Watch 0 create_request{key:"a",start_revision:$now+1}
//! LeaseKeepAlive ID:7
//! AwaitEnd ID:7
//! CloseWatch 0
//! Restart kill
//! ```
//!
//! Everything after `#` at the start of a line is a comment. Watches of one number share a stream.

use crate::catalog::Rpc;
use crate::symbols;
use prost_reflect::DynamicMessage;
use std::fmt;
use std::str::FromStr;

/// How a server is stopped before it is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// SIGTERM: it may tidy up.
    Term,
    /// SIGKILL: what it has not on disk is lost.
    Kill,
}

/// One thing to do, at both servers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    /// A call with one answer.
    Call(Rpc, DynamicMessage),
    /// A keepalive, on the one stream for them.
    KeepAlive(DynamicMessage),
    /// A message on a watch stream, which the first one opens.
    Watch(u8, DynamicMessage),
    /// The client leaves a watch stream.
    CloseWatch(u8),
    /// Nothing is asked until this lease has ended by itself.
    AwaitEnd(DynamicMessage),
    /// Both servers are stopped and started on what they kept.
    Restart(Stop),
}

impl Step {
    /// The message, where the step has one.
    pub(crate) fn message(&self) -> Option<&DynamicMessage> {
        match self {
            Step::Call(_, message)
            | Step::KeepAlive(message)
            | Step::Watch(_, message)
            | Step::AwaitEnd(message) => Some(message),
            Step::CloseWatch(_) | Step::Restart(_) => None,
        }
    }

    /// The same step with another message.
    pub(crate) fn with_message(&self, message: DynamicMessage) -> Step {
        match self {
            Step::Call(rpc, _) => Step::Call(rpc.clone(), message),
            Step::KeepAlive(_) => Step::KeepAlive(message),
            Step::AwaitEnd(_) => Step::AwaitEnd(message),
            Step::Watch(stream, _) => Step::Watch(*stream, message),
            Step::CloseWatch(_) | Step::Restart(_) => self.clone(),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |message: &DynamicMessage| symbols::named(&message.to_text_format());
        match self {
            Step::Call(rpc, message) => write!(f, "{} {}", rpc.name(), text(message)),
            Step::KeepAlive(message) => write!(f, "LeaseKeepAlive {}", text(message)),
            Step::Watch(stream, message) => write!(f, "Watch {stream} {}", text(message)),
            Step::AwaitEnd(message) => write!(f, "AwaitEnd {}", text(message)),
            Step::CloseWatch(stream) => write!(f, "CloseWatch {stream}"),
            Step::Restart(Stop::Term) => write!(f, "Restart term"),
            Step::Restart(Stop::Kill) => write!(f, "Restart kill"),
        }
    }
}

impl FromStr for Step {
    type Err = String;

    fn from_str(line: &str) -> Result<Step, String> {
        let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
        let message = |rpc: &Rpc, text: &str| {
            DynamicMessage::parse_text_format(rpc.input(), &symbols::numbered(text))
                .map_err(|error| format!("{line:?}: {error}"))
        };
        let stream =
            |text: &str| text.parse().map_err(|_| format!("{line:?}: the stream's number is missing"));
        match name {
            "CloseWatch" => return Ok(Step::CloseWatch(stream(rest)?)),
            "Restart" if rest == "term" => return Ok(Step::Restart(Stop::Term)),
            "Restart" if rest == "kill" => return Ok(Step::Restart(Stop::Kill)),
            _ => {}
        }
        let named = if name == "AwaitEnd" { "LeaseTimeToLive" } else { name };
        let rpc = Rpc::named(named).ok_or_else(|| format!("{line:?}: there is no call {name}"))?;
        match name {
            "Watch" => {
                let (number, text) = rest.split_once(' ').unwrap_or((rest, ""));
                Ok(Step::Watch(stream(number)?, message(&rpc, text)?))
            }
            "AwaitEnd" => Ok(Step::AwaitEnd(message(&rpc, rest)?)),
            "LeaseKeepAlive" => Ok(Step::KeepAlive(message(&rpc, rest)?)),
            _ if rpc.is_stream() => Err(format!("{line:?}: {name} is a stream")),
            _ => Ok(Step::Call(rpc.clone(), message(&rpc, rest)?)),
        }
    }
}

/// The steps of a text.
///
/// # Errors
/// The first line that is none, with the reason.
pub(crate) fn parse(text: &str) -> Result<Vec<Step>, String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(str::parse).collect()
}

/// The text of steps.
pub(crate) fn print(steps: &[Step]) -> String {
    steps.iter().map(|step| format!("{step}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_survives_its_text() {
        let text = "Put key:\"a\\000\\377\",lease:-7\n\
                    Range key:\"a\",revision:$compacted-1,sort_order:9\n\
                    Txn compare:[{key:\"k\",version:3}],failure:[{request_txn{}}]\n\
                    Watch 2 create_request{key:\"a\",start_revision:$now+1}\n\
                    Watch 2 progress_request{}\n\
                    LeaseKeepAlive ID:$lease0\n\
                    AwaitEnd ID:7,keys:true\n\
                    Status \n\
                    CloseWatch 2\n\
                    Restart kill\n";
        assert_eq!(print(&parse(text).unwrap()), text);
    }

    #[test]
    fn a_line_that_is_no_step_is_named() {
        for line in ["Fetch key:\"a\"", "Put kye:\"a\"", "Watch create_request{}", "Restart softly"] {
            let error = parse(&format!("# fine\n\n{line}\n")).unwrap_err();
            assert!(error.contains(line.split(' ').next().unwrap()), "{error}");
        }
    }
}
