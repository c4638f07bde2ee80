//! Values on their way to settings, with all that is wrong with them.

use super::problem::Problem;
use super::table::{self, Form};
use super::values::Values;
use detcd::url::Url;
use std::collections::BTreeSet;

/// Reads all values, and collects what is wrong with them.
pub(super) struct Reading<'a> {
    pub(super) values: &'a Values,
    pub(super) problems: Vec<Problem>,
}

impl Reading<'_> {
    /// The flag's value is not what it wants.
    pub(super) fn wrong(&mut self, flag: &'static str, expected: &str) {
        let form = table::find(flag).map_or(Form::Text, |flag| flag.form);
        let problem = match self.values.flags.get(flag) {
            Some(given) => given.wrong(form, expected),
            None => Problem::setting(format!("--{flag}: expected {expected}")),
        };
        self.problems.push(problem);
    }

    /// The same where etcd takes any text at first: no matter of how the command line is written.
    pub(super) fn misread(&mut self, flag: &'static str, expected: &str) {
        self.wrong(flag, expected);
        if let Some(problem) = self.problems.last_mut() {
            problem.is_usage = false;
        }
    }

    /// The flag's value is not what it wants, and etcd finds that out when all is read.
    pub(super) fn contradiction(&mut self, text: impl Into<String>) {
        self.problems.push(Problem::setting(text));
    }

    /// A flag's URLs, sorted and each once, as etcd has them. A URL without a host is told by `rule` what is wrong.
    pub(super) fn urls(
        &mut self,
        flag: &'static str,
        rule: fn(&str, Option<&Url>) -> Option<String>,
    ) -> Vec<Url> {
        let mut urls = BTreeSet::new();
        for text in self.values.text(flag).split(',').map(str::trim) {
            let url = match Url::parse(text) {
                Ok(url) => Some(url),
                Err(_) if ["http://:", "https://:"].iter().any(|start| text.starts_with(start)) => None,
                Err(expected) => {
                    self.wrong(flag, expected);
                    break;
                }
            };
            if let Some(wrong) = rule(text, url.as_ref()) {
                self.contradiction(format!("--{flag}: {wrong}"));
            }
            urls.extend(url);
        }
        urls.into_iter().collect()
    }
}
