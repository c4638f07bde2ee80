//! The settings that were given, each as text in the form of its flag, with the place where it was given.

use super::aliases::{self, Meant};
use super::problem::Problem;
use super::table::{self, Flag, Form, Kind};
use super::{duration, gates, go_syntax};
use std::collections::BTreeMap;
use std::rc::Rc;

/// Where a value was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    CommandLine,
    Variable(String),
    File { path: Rc<str>, line: usize, key: String },
}

/// A value, and under which name it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) origin: Origin,
}

/// What was given, by flags' names. A gate that has a name of its own as a flag of 3.6 is apart.
#[derive(Debug, Default)]
pub(crate) struct Values {
    pub(crate) flags: BTreeMap<&'static str, Given>,
    pub(crate) gates: BTreeMap<&'static str, Given>,
    /// Names that etcd ignores, too.
    pub(crate) ignored: Vec<String>,
}

/// Of a value that is wrong, no more than this is repeated.
const SHOWN_CHARS_MAX: usize = 200;

/// The variable of a flag: `max-txn-ops` is `ETCD_MAX_TXN_OPS`.
pub(super) fn variable(flag: &str) -> String {
    format!("ETCD_{}", flag.to_ascii_uppercase().replace('-', "_"))
}

impl Form {
    /// Whether a text is such a value; if not, what was expected.
    pub(super) fn check(self, text: &str) -> Result<(), String> {
        let is_right = match self {
            Form::Text | Form::Secret | Form::Urls | Form::List => true,
            Form::Boolean => go_syntax::boolean(text).is_some(),
            Form::Number { min, max, .. } => {
                go_syntax::number(text).is_some_and(|number| (min..=max).contains(&number))
            }
            Form::Duration => duration::parse_ms(text).is_some(),
            Form::Choice(choices) => choices.contains(&text),
        };
        if is_right { Ok(()) } else { Err(self.expected()) }
    }

    /// In words.
    pub(super) fn expected(self) -> String {
        match self {
            Form::Text | Form::Secret => "a text".to_owned(),
            Form::Boolean => "true or false".to_owned(),
            Form::Number { of, min: 0, max } if max >= i128::from(u64::MAX) => {
                format!("a number of {of}, 0 or more")
            }
            Form::Number { of, min: 1, .. } => format!("a number of {of} above 0"),
            Form::Number { of, min, max } if min < 0 && max >= i128::from(i64::MAX) => {
                format!("a number of {of}")
            }
            Form::Number { of, min, max } => format!("a number of {of} from {min} to {max}"),
            Form::Duration => "a duration such as 300ms, 5m or 1h30m, not negative".to_owned(),
            Form::Urls => "URLs, comma-separated".to_owned(),
            Form::List => "texts, comma-separated".to_owned(),
            Form::Choice(choices) => format!("one of {}", choices.join(", ")),
        }
    }

    /// Whether two texts are one value.
    pub(super) fn is_same(self, a: &str, b: &str) -> bool {
        match self {
            Form::Boolean => go_syntax::boolean(a) == go_syntax::boolean(b),
            Form::Number { .. } => go_syntax::number(a) == go_syntax::number(b),
            Form::Duration => duration::parse_nanos(a) == duration::parse_nanos(b),
            _ => a == b,
        }
    }
}

impl Given {
    /// That this is not what the flag wants. A value from the environment is not repeated, nor one that is secret.
    pub(super) fn wrong(&self, form: Form, expected: &str) -> Problem {
        let shown: String = match form {
            Form::Secret => "***".to_owned(),
            _ => self.text.chars().take(SHOWN_CHARS_MAX).collect(),
        };
        match &self.origin {
            Origin::CommandLine => Problem::usage(format!(
                "invalid value {shown:?} for flag --{}: expected {expected}",
                self.name
            )),
            Origin::Variable(variable) => Problem::setting(format!(
                "invalid value in environment variable {variable}: expected {expected}"
            )),
            Origin::File { path, line, key } => {
                Problem::setting(format!("{path}:{line}: {key}: expected {expected}, found {shown:?}"))
            }
        }
    }
}

impl Values {
    /// Adds a value; a later one of the same name wins. One under another name of the same flag must say the same.
    pub(super) fn add(&mut self, meant: Meant, given: Given) -> Result<(), Problem> {
        let (values, key, form, instead) = match meant {
            Meant::Flag(flag) => (&mut self.flags, flag.name, flag.form, format!("--{}", flag.name)),
            Meant::Gate(gate) => {
                (&mut self.gates, gate, Form::Boolean, format!("--feature-gates={gate}=..."))
            }
            Meant::Ignored => {
                self.ignored.push(given.name);
                return Ok(());
            }
        };
        if let Some(before) = values.get(key)
            && before.name != given.name
            && !form.is_same(&before.text, &given.text)
        {
            return Err(Problem::setting(format!(
                "both {} and {} are set, to different values: use {instead} alone",
                before.named(),
                given.named()
            )));
        }
        values.insert(key, given);
        Ok(())
    }

    /// The text of a flag: what was given, or its default. An empty list of URLs, and an empty choice, is none.
    pub(super) fn text(&self, name: &'static str) -> &str {
        let flag = table::find(name).expect("a flag of the table");
        let given = self.flags.get(name).map(|given| given.text.as_str());
        match given {
            Some("") if matches!(flag.form, Form::Urls) => flag.default,
            Some(text) => text,
            None => flag.default,
        }
    }

    /// A number or a boolean, or the default where what was given is none: `check_forms` says so.
    pub(super) fn number(&self, name: &'static str) -> i128 {
        let flag = table::find(name).expect("a flag of the table");
        let text = if flag.form.check(self.text(name)).is_ok() { self.text(name) } else { flag.default };
        go_syntax::number(text).expect("the default is a number")
    }

    pub(super) fn boolean(&self, name: &'static str) -> bool {
        let default = || table::find(name).is_some_and(|flag| go_syntax::boolean(flag.default) == Some(true));
        go_syntax::boolean(self.text(name)).unwrap_or_else(default)
    }

    /// What of the environment and the file has another form than its flag. (The command line was checked as it was read.)
    pub(super) fn check_forms(&self) -> Vec<Problem> {
        let flags = self.flags.iter().map(|(name, given)| {
            let form = table::find(name).expect("a flag of the table").form;
            (form, given)
        });
        let all = flags.chain(self.gates.values().map(|given| (Form::Boolean, given)));
        let others = all.filter(|(_, given)| given.origin != Origin::CommandLine);
        others.filter_map(|(form, given)| Some(given.wrong(form, &form.check(&given.text).err()?))).collect()
    }

    /// Which gates are set, and by what: `--feature-gates`, or a flag of 3.6.
    pub(super) fn gates_set(&self) -> Result<BTreeMap<&'static str, (bool, &Given)>, Problem> {
        let mut set = BTreeMap::new();
        if let Some(given) = self.flags.get("feature-gates") {
            let gates = gates::parse(&given.text).map_err(|error| Problem {
                is_usage: given.origin == Origin::CommandLine,
                text: format!("{}: {error}", given.named()),
            })?;
            set.extend(gates.into_iter().map(|(name, on)| (name, (on, given))));
        }
        for (gate, given) in &self.gates {
            let Some(on) = go_syntax::boolean(&given.text) else { continue };
            if let Some((before, by)) = set.insert(gate, (on, given))
                && before != on
            {
                return Err(Problem::setting(format!(
                    "both {} and {} set {gate}, to different values: use --feature-gates alone",
                    by.named(),
                    given.named()
                )));
            }
        }
        Ok(set)
    }
}

impl Given {
    /// The name, as its place has it.
    pub(super) fn named(&self) -> String {
        match &self.origin {
            Origin::CommandLine => format!("--{}", self.name),
            Origin::Variable(variable) => variable.clone(),
            Origin::File { path, line, key } => format!("{path}:{line}: {key}"),
        }
    }
}

/// Whether a flag's value asks for no more than there is.
pub(super) fn is_available(flag: &Flag, text: &str) -> bool {
    match flag.kind {
        Kind::NotBuilt { also, .. } => {
            let is = |value: &&str| flag.form.is_same(value, text);
            flag.form == Form::Urls && text.is_empty() || is(&flag.default) || also.iter().any(is)
        }
        Kind::Works | Kind::MeansNothing(_) => true,
    }
}

/// What a name stands for, but for questions.
pub(super) fn setting_named(name: &str) -> Option<Meant> {
    match aliases::meant(name)? {
        Meant::Flag(flag) if !table::settable().any(|settable| settable.name == flag.name) => None,
        meant => Some(meant),
    }
}
