//! Numbers that mean something only while a script runs.
//!
//! A script says "the revision before the compacted one", not "41": so it still says it when the requests before it
//! are taken away. Such a number is an ordinary `int64` far from any real one; it is written `$compacted-1`, and
//! replaced in each request just before that is sent. A lease whose id a server chose is `$lease0`, `$lease1`, …:
//! the two servers choose differently, so those are replaced in answers too.

use prost_reflect::{DynamicMessage, Value};

/// The store's revision.
pub(crate) const NOW: i64 = 8_000_000_000_000_000_000;
/// The revision of the last compaction; 0 before the first.
pub(crate) const COMPACTED: i64 = 7_000_000_000_000_000_000;
/// The first lease whose id the server chose.
pub(crate) const LEASE: i64 = 6_000_000_000_000_000_000;
/// How far from its base a symbol reaches.
const REACH: i64 = 1_000_000;
/// The member itself, where a request or an answer names a member.
pub(crate) const MEMBER: u64 = 1;

/// What the symbols stand for at one server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    pub(crate) revision: i64,
    pub(crate) compacted: i64,
    /// Ids the server chose, in the order of the grants.
    pub(crate) leases: Vec<i64>,
    pub(crate) member: u64,
}

impl Known {
    /// The request as this server gets it.
    pub(crate) fn resolve(&self, request: &DynamicMessage) -> DynamicMessage {
        let mut request = request.clone();
        each_number(&mut request, &mut |name, value| match value {
            Value::I64(number) => *number = self.number(*number),
            Value::U64(id) if name == "memberID" && *id == MEMBER => *id = self.member,
            _ => {}
        });
        request
    }

    fn number(&self, number: i64) -> i64 {
        match base_of(number) {
            Some((NOW, offset)) => self.revision + offset,
            Some((COMPACTED, offset)) => self.compacted + offset,
            Some((_, offset)) => {
                usize::try_from(offset).ok().and_then(|at| self.leases.get(at)).copied().unwrap_or(number)
            }
            None => number,
        }
    }

    /// An answer with the server's own numbers put back into symbols.
    pub(crate) fn abstract_ids(&self, answer: &mut DynamicMessage) {
        each_number(answer, &mut |name, value| match value {
            Value::I64(id) if matches!(name, "lease" | "ID") && *id != 0 => {
                if let Some(at) = self.leases.iter().position(|chosen| chosen == id) {
                    *id = LEASE + i64::try_from(at).expect("fewer leases than 2^63");
                }
            }
            Value::U64(id) if matches!(name, "memberID" | "ID" | "leader") && *id == self.member => {
                *id = MEMBER;
            }
            _ => {}
        });
    }
}

/// Calls `change` with every field that is no message, at every depth.
pub(crate) fn each_number(message: &mut DynamicMessage, change: &mut impl FnMut(&str, &mut Value)) {
    for (field, value) in message.fields_mut() {
        match value {
            Value::Message(inner) => each_number(inner, change),
            Value::List(list) => {
                for item in list {
                    match item {
                        Value::Message(inner) => each_number(inner, change),
                        other => change(field.name(), other),
                    }
                }
            }
            other => change(field.name(), other),
        }
    }
}

fn base_of(number: i64) -> Option<(i64, i64)> {
    [NOW, COMPACTED, LEASE].into_iter().find_map(|base| {
        number.checked_sub(base).filter(|offset| offset.abs() < REACH).map(|offset| (base, offset))
    })
}

/// `text` with symbols in place of their numbers.
pub(crate) fn named(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        out.push_str(&rest[..start]);
        let digits = rest[start..].find(|c: char| !c.is_ascii_digit()).map_or(rest.len(), |end| start + end);
        let number = &rest[start..digits];
        match number.parse().ok().and_then(base_of) {
            Some((LEASE, offset)) => out.push_str(&format!("$lease{offset}")),
            Some((base, offset)) => {
                out.push_str(if base == NOW { "$now" } else { "$compacted" });
                if offset != 0 {
                    out.push_str(&format!("{offset:+}"));
                }
            }
            None => out.push_str(number),
        }
        rest = &rest[digits..];
    }
    out + rest
}

/// `text` with numbers in place of symbols: the inverse of `named`.
pub(crate) fn numbered(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('$') {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        let known = [("$now", NOW), ("$compacted", COMPACTED), ("$lease", LEASE)];
        let Some((name, base)) = known.into_iter().find(|(name, _)| rest.starts_with(name)) else {
            out.push('$');
            rest = &rest[1..];
            continue;
        };
        rest = &rest[name.len()..];
        let is_part = |(at, c): (usize, char)| c.is_ascii_digit() || (at == 0 && (c == '+' || c == '-'));
        let end = rest.char_indices().find(|part| !is_part(*part)).map_or(rest.len(), |(at, _)| at);
        let offset: i64 = rest[..end].parse().unwrap_or(0);
        out.push_str(&(base + offset).to_string());
        rest = &rest[end..];
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Rpc;

    #[test]
    fn names_and_numbers_are_each_others_inverse() {
        for text in [
            "revision:$now",
            "a:$now+1,b:$compacted-3",
            "lease:$lease2",
            "limit:9223372036854775807",
            "\"$\"",
        ] {
            assert_eq!(named(&numbered(text)), text);
        }
        assert_eq!(numbered("$now-1"), "7999999999999999999");
    }

    #[test]
    fn symbols_are_replaced_at_every_depth() {
        let text = "success{request_range{key:\"a\",revision:7999999999999999998}},compare{lease:6000000000000000001}";
        let request = DynamicMessage::parse_text_format(Rpc::named("Txn").unwrap().input(), text).unwrap();
        let known = Known { revision: 12, compacted: 3, leases: vec![70, 71], member: 9 };
        let mut resolved = known.resolve(&request);
        let expected = "compare:[{lease:71}],success:[{request_range{key:\"a\",revision:10}}]";
        assert_eq!(resolved.to_text_format(), expected);
        known.abstract_ids(&mut resolved);
        assert!(named(&resolved.to_text_format()).contains("lease:$lease1"));
    }
}
