//! `ETCD_*` variables: every flag can come as one, and a variable that is no flag's is worth a warning.
//!
//! Values are never repeated in a message: tokens and passwords live in the environment.

use super::flag_values::{FlagError, variable};
use std::collections::BTreeMap;

/// Variables that other programs of etcd's read, or that say something about the process.
const NOT_FLAGS: [&str; 2] = ["ETCD_VERSION", "ETCD_UNSUPPORTED_ARCH"];

/// Adds to `values` the flags that the environment sets, and returns the names of variables that are no flag's. An
/// empty variable is none. A flag that is given both ways is an error: one of them would be ignored in silence.
pub(crate) fn merge(
    values: &mut BTreeMap<&'static str, String>,
    flags: impl IntoIterator<Item = &'static str>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Vec<String>, FlagError> {
    let flags: BTreeMap<String, &'static str> =
        flags.into_iter().map(|flag| (variable(flag), flag)).collect();
    let mut unknown = Vec::new();
    for (name, value) in environment {
        if !name.starts_with("ETCD_") || value.is_empty() {
            continue;
        }
        match flags.get(&name) {
            Some(flag) if values.contains_key(flag) => return Err(FlagError::Shadowed { variable: name }),
            Some(flag) => _ = values.insert(flag, value),
            None if NOT_FLAGS.contains(&name.as_str()) => {}
            None => unknown.push(name),
        }
    }
    unknown.sort();
    Ok(unknown)
}
