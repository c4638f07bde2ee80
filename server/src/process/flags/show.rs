//! `--print-config`: every setting, its value as it takes effect, and where it comes from.

use super::settings::data_dir;
use super::table::{self, Form};
use super::values::{Given, Origin, Values};

/// Longer values are last in their line, and move nothing.
const VALUE_WIDTH_MAX: usize = 40;
/// What stands for a secret.
const MASKED: &str = "***";

/// An aligned table, a line a flag.
pub(super) fn table(values: &Values) -> String {
    let mut rows = vec![["FLAG".to_owned(), "VALUE".to_owned(), "FROM".to_owned()]];
    for flag in table::settable() {
        let given = values.flags.get(flag.name);
        let value = match flag.form {
            Form::Secret if !values.text(flag.name).is_empty() => MASKED.to_owned(),
            _ => in_effect(values, flag.name),
        };
        rows.push([format!("--{}", flag.name), value, given.map_or("default".to_owned(), from)]);
    }
    for (gate, given) in &values.gates {
        rows.push([format!("--feature-gates {gate}"), given.text.clone(), from(given)]);
    }
    let width = |column: usize, max: usize| {
        rows.iter().map(|row| row[column].chars().count()).filter(|width| *width <= max).max().unwrap_or(0)
    };
    let (first, second) = (width(0, usize::MAX), width(1, VALUE_WIDTH_MAX));
    let lines = rows.iter().map(|[flag, value, from]| format!("{flag:<first$}  {value:<second$}  {from}\n"));
    lines.collect()
}

/// Empty texts that stand for something are shown as that.
fn in_effect(values: &Values, flag: &'static str) -> String {
    match (flag, values.text(flag)) {
        ("data-dir", _) => data_dir(values),
        ("initial-cluster", "") => {
            let urls = values.text("initial-advertise-peer-urls").split(',');
            let name = values.text("name");
            urls.map(|url| format!("{name}={}", url.trim())).collect::<Vec<_>>().join(",")
        }
        (_, "") => "\"\"".to_owned(),
        (_, text) => text.to_owned(),
    }
}

fn from(given: &Given) -> String {
    match &given.origin {
        Origin::CommandLine => format!("command line, --{}", given.name),
        Origin::Variable(variable) => format!("variable {variable}"),
        Origin::File { path, line, .. } => format!("{path}:{line}"),
    }
}
