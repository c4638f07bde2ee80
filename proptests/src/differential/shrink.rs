//! A script that shows a difference, made as short as it gets: steps are taken away, then fields.
//!
//! Each try is a run on new servers, so the budget is time. Symbols keep their meaning when steps before them go, and
//! most differences need little history: the last few steps alone are tried first.

use crate::run::{Difference, Programs, run};
use crate::script::Step;
use crate::tally::Tally;
use prost_reflect::{DynamicMessage, Value};
use std::time::{Duration, Instant};

/// Lengths of the end of a script that are tried before anything else.
const SUFFIXES: [usize; 6] = [1, 4, 16, 64, 256, 1024];

/// What is left.
pub(crate) struct Shrunk {
    pub(crate) script: Vec<Step>,
    pub(crate) difference: Difference,
    /// Runs it took.
    pub(crate) tries: usize,
}

struct Shrinking<'a> {
    programs: &'a Programs,
    name: &'a str,
    best: Shrunk,
    deadline: Instant,
}

/// Shrinks `script` until nothing can go or the time is over. `None`: run again, the script shows no difference.
pub(crate) async fn shrink(
    programs: &Programs,
    name: &str,
    script: &[Step],
    found: Difference,
    within: Duration,
) -> Option<Shrunk> {
    let script = script[..=found.step.min(script.len() - 1)].to_vec();
    let best = Shrunk { script, difference: found, tries: 0 };
    let mut shrinking = Shrinking { programs, name, best, deadline: Instant::now() + within };
    let mut is_shown = false;
    for length in SUFFIXES {
        let whole = &shrinking.best.script;
        if length < whole.len() && shrinking.is_kept(whole[whole.len() - length..].to_vec()).await {
            is_shown = true;
            break;
        }
    }
    if !is_shown && !shrinking.is_kept(shrinking.best.script.clone()).await {
        return None;
    }
    shrinking.drop_steps().await;
    shrinking.simplify().await;
    Some(shrinking.best)
}

impl Shrinking<'_> {
    /// Whether a script still shows a difference; if so it is the best one now, up to the step that shows it.
    async fn is_kept(&mut self, script: Vec<Step>) -> bool {
        self.best.tries += 1;
        let name = format!("{}-try{}", self.name, self.best.tries);
        let Some(difference) = run(self.programs, &name, &script, &mut Tally::default()).await else {
            return false;
        };
        let script = script[..=difference.step.min(script.len() - 1)].to_vec();
        self.best = Shrunk { script, difference, tries: self.best.tries };
        true
    }

    fn has_time(&self) -> bool {
        Instant::now() < self.deadline
    }

    /// Takes stretches of steps away, large ones first.
    async fn drop_steps(&mut self) {
        let mut stretch = (self.best.script.len() / 2).max(1);
        loop {
            let mut end = self.best.script.len();
            while end > 0 && self.has_time() {
                let first = end.saturating_sub(stretch);
                let mut without = self.best.script.clone();
                without.drain(first..end);
                if !without.is_empty() && self.is_kept(without).await {
                    end = first.min(self.best.script.len());
                } else {
                    end = first;
                }
            }
            if stretch == 1 || !self.has_time() {
                return;
            }
            stretch = (stretch / 2).max(1);
        }
    }

    /// Takes fields and list items away, wherever in a message they are.
    async fn simplify(&mut self) {
        let mut at = 0;
        while at < self.best.script.len() && self.has_time() {
            let step = self.best.script[at].clone();
            let simpler = step.message().map(simpler).unwrap_or_default();
            let mut was_kept = false;
            for message in simpler {
                let mut script = self.best.script.clone();
                script[at] = step.with_message(message);
                if self.has_time() && self.is_kept(script).await {
                    was_kept = true;
                    break;
                }
            }
            if !was_kept {
                at += 1;
            }
        }
    }
}

/// Messages with one thing less, those that lose most first.
fn simpler(message: &DynamicMessage) -> Vec<DynamicMessage> {
    let mut out = Vec::new();
    let fields: Vec<_> = message.fields().map(|(field, value)| (field, value.clone())).collect();
    for (field, value) in &fields {
        let mut without = message.clone();
        without.clear_field(field);
        out.push(without);
        if let Value::List(items) = value {
            for at in 0..items.len() {
                let mut fewer = items.clone();
                fewer.remove(at);
                out.push(with(message, field, Value::List(fewer)));
            }
        }
    }
    for (field, value) in &fields {
        match value {
            Value::Message(inner) => {
                out.extend(
                    simpler(inner).into_iter().map(|inner| with(message, field, Value::Message(inner))),
                );
            }
            Value::List(items) => {
                for (at, item) in items.iter().enumerate() {
                    for inner in item.as_message().map(simpler).unwrap_or_default() {
                        let mut changed = items.clone();
                        changed[at] = Value::Message(inner);
                        out.push(with(message, field, Value::List(changed)));
                    }
                }
            }
            _ => {}
        }
    }
    out
}

fn with(message: &DynamicMessage, field: &prost_reflect::FieldDescriptor, value: Value) -> DynamicMessage {
    let mut changed = message.clone();
    changed.set_field(field, value);
    changed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Rpc;

    #[test]
    fn everything_can_go_alone() {
        let rpc = Rpc::named("Txn").unwrap();
        let text = "compare{key:\"a\"} success{request_put{key:\"b\" value:\"c\"}}";
        let message = DynamicMessage::parse_text_format(rpc.input(), text).unwrap();
        let texts: Vec<String> = simpler(&message).iter().map(DynamicMessage::to_text_format).collect();
        assert!(texts.contains(&"success:[{request_put{key:\"b\",value:\"c\"}}]".to_owned()), "{texts:?}");
        assert!(
            texts.contains(&"compare:[{key:\"a\"}],success:[{request_put{key:\"b\"}}]".to_owned()),
            "{texts:?}"
        );
    }
}
