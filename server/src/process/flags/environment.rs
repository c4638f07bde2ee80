//! `ETCD_*` variables: every flag can come as one, and a variable that is no flag's is worth a warning.
//!
//! Values are never repeated in a message: tokens and passwords live in the environment.

use super::aliases;
use super::problem::Problem;
use super::values::{Given, Origin, Values, setting_named, variable};
use std::collections::BTreeMap;

/// Variables that other programs of etcd's read, or that say something about the process.
const NOT_FLAGS: [&str; 2] = ["ETCD_VERSION", "ETCD_UNSUPPORTED_ARCH"];

/// The variables that set something or look like it. An empty one is none.
pub(super) fn relevant(environment: impl IntoIterator<Item = (String, String)>) -> BTreeMap<String, String> {
    let is_set = |(name, value): &(String, String)| name.starts_with("ETCD_") && !value.is_empty();
    environment.into_iter().filter(is_set).collect()
}

/// Adds what the environment sets, and returns what is wrong with it and the names of variables that are no flag's. A
/// flag that is given both ways is an error: one of them would be ignored in silence.
pub(super) fn merge(
    values: &mut Values,
    environment: BTreeMap<String, String>,
) -> (Vec<Problem>, Vec<String>) {
    let names: BTreeMap<String, String> = aliases::names().map(|name| (variable(&name), name)).collect();
    let on_command_line: Vec<String> =
        values.flags.values().chain(values.gates.values()).map(|given| variable(&given.name)).collect();
    let (mut problems, mut unknown) = (Vec::new(), Vec::new());
    for (variable, text) in environment {
        let named = names.get(&variable).and_then(|name| Some((name, setting_named(name)?)));
        match named {
            Some(_) if on_command_line.contains(&variable) => problems.push(Problem::setting(format!(
                "conflicting environment variable {variable} is shadowed by corresponding command-line flag \
                 (either unset environment variable or disable flag)"
            ))),
            Some((name, meant)) => {
                let given = Given { name: name.clone(), text, origin: Origin::Variable(variable) };
                problems.extend(values.add(meant, given).err());
            }
            None if NOT_FLAGS.contains(&variable.as_str()) => {}
            None => unknown.push(variable),
        }
    }
    (problems, unknown)
}

/// Whether a variable sets a flag.
pub(super) fn is_a_flags(name: &str) -> bool {
    aliases::names().any(|flag| variable(&flag) == name)
}
