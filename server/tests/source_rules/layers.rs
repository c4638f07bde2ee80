//! Which module may know which: the arrows between the modules of the engine and of the server, all of them, lowest
//! modules first, so that none points upwards; and no circle between files anywhere.
//!
//! A new arrow is a decision: it is added here, or the code is put where the arrow is not needed. One that nobody uses
//! any more is taken out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A module, and those that it may know.
type Layer = (&'static str, &'static str);

const ENGINE: &[Layer] = &[
    ("time", ""),
    ("random", ""),
    ("ids", ""),
    ("config", "ids"),
    ("codec", ""),
    ("key_range", ""),
    ("membership", "ids"),
    ("cow_tree", ""),
    ("mvcc", "ids key_range cow_tree"),
    ("request", "ids key_range membership mvcc"),
    ("lease", "time ids request"),
    ("auth", "codec key_range request"),
    ("command", "ids codec key_range membership request auth"),
    ("dedup_window", "ids codec"),
    ("txn", "ids key_range mvcc request lease command"),
    ("state", "ids codec key_range membership mvcc request lease auth command dedup_window txn"),
    ("raft", "time random ids config codec"),
    ("peer_message", "ids request raft"),
    ("snapshot", "ids codec membership mvcc request lease auth command dedup_window state raft peer_message"),
    ("bbolt", "codec"),
    ("etcd_file", "ids membership mvcc request lease auth state snapshot bbolt"),
    ("wal", "ids codec raft"),
    ("frame", "ids codec request auth raft peer_message"),
    ("watch", "time ids key_range mvcc"),
    ("input", "ids request peer_message snapshot watch"),
    ("effects", "time ids mvcc request txn state raft peer_message snapshot watch"),
    (
        "engine",
        "time random ids config membership request lease command txn state raft peer_message snapshot watch input effects",
    ),
    (
        "memory_member",
        "time ids config membership request state raft peer_message snapshot wal frame input effects engine",
    ),
];

/// The library; `process/` is the binary, which may know all of it.
const SERVER: &[Layer] = &[
    ("clock", ""),
    ("url", ""),
    ("line_limit", ""),
    ("pb", ""),
    ("metrics", "clock"),
    ("compaction_log", "metrics"),
    ("disk", "clock metrics"),
    ("failure", "disk"),
    ("peer", "clock line_limit metrics disk failure"),
    ("log_task", "clock metrics disk failure peer"),
    ("background", "clock metrics disk failure peer log_task"),
    ("replies", ""),
    ("readers", ""),
    ("encoded_events", ""),
    ("callers", "clock readers"),
    ("handle", "clock metrics replies readers encoded_events callers"),
    ("log_in", "readers callers handle"),
    ("wire", "pb encoded_events"),
    ("recipes", "handle wire"),
    ("grpc", "clock pb replies encoded_events callers handle log_in wire recipes"),
    (
        "main_loop",
        "clock line_limit compaction_log metrics failure peer log_task background replies encoded_events callers handle",
    ),
    ("config", "url"),
    (
        "member",
        "clock line_limit metrics disk failure peer log_task background replies readers callers handle main_loop",
    ),
];

/// A file of a crate: the path of its module there, and its code.
struct File {
    module: Vec<String>,
    code: String,
}

/// The files below `src`, tests apart.
fn files(src: &str) -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("server/ is in the repository");
    let texts = super::texts(&root.join(src), &["rs"])
        .into_iter()
        .map(|(path, text)| File { module: module(&path), code: code(&text) });
    let files: Vec<File> =
        texts.filter(|file| !file.module.iter().any(|name| name.ends_with("tests"))).collect();
    assert!(files.len() > 10, "{src} has only {} files", files.len());
    files
}

fn module(path: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        path.with_extension("").iter().map(|name| name.to_string_lossy().into_owned()).collect();
    if matches!(names.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        names.pop();
    }
    names
}

/// Without comments and without the tests at its end.
fn code(text: &str) -> String {
    let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    let lines = text[..end].lines();
    lines.map(|line| line.split("//").next().expect("a first part")).collect::<Vec<_>>().join("\n")
}

/// `a::{b, c::{d}}` as `a::b`, `a::c::d`.
fn expanded(path: &str) -> Vec<String> {
    let Some((before, rest)) = path.split_once('{') else { return vec![path.trim().to_owned()] };
    let inside = &rest[..rest.rfind('}').expect("what is opened is closed")];
    let (mut depth, mut from, mut parts) = (0, 0, Vec::new());
    for (at, c) in inside.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&inside[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&inside[from..]);
    let parts = parts.into_iter().filter(|part| !part.trim().is_empty());
    parts.flat_map(expanded).map(|part| format!("{}{part}", before.trim())).collect()
}

/// Every path of this crate's that a file names, from the crate's root.
fn named(file: &File) -> BTreeSet<Vec<String>> {
    let is_of_a_path = |c: char| c.is_alphanumeric() || "_:".contains(c);
    let used = file.code.split("use ").skip(1).filter_map(|rest| rest.split_once(';')).map(|(path, _)| path);
    let inline = file.code.split(|c| !is_of_a_path(c)).filter(|path| !path.ends_with("::"));
    let paths = used.filter(|path| !path.contains('(')).flat_map(expanded).chain(inline.map(str::to_owned));
    paths.filter_map(|path| from_root(&file.module, &path)).collect()
}

fn from_root(module: &[String], path: &str) -> Option<Vec<String>> {
    let mut names = path.split("::").map(|name| name.split_whitespace().next().unwrap_or("").to_owned());
    let mut found = match names.next()?.as_str() {
        "crate" => Vec::new(),
        "self" => module.to_vec(),
        "super" => module[..module.len().checked_sub(1)?].to_vec(),
        _ => return None,
    };
    for name in names {
        if name == "super" {
            found.pop();
        } else {
            found.push(name);
        }
    }
    Some(found)
}

/// For each module at the top of a crate, those others that it knows.
fn arrows(src: &str) -> BTreeMap<String, BTreeSet<String>> {
    let files = files(src);
    let tops: BTreeSet<&String> = files.iter().filter_map(|file| file.module.first()).collect();
    let mut arrows: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in files.iter().filter(|file| !file.module.is_empty()) {
        let top = &file.module[0];
        let known = named(file).into_iter().filter_map(|path| path.into_iter().next());
        let known = known.filter(|name| tops.contains(name) && name != top);
        arrows.entry(top.clone()).or_default().extend(known);
    }
    arrows
}

fn check(src: &str, layers: &[Layer]) {
    let mut found = arrows(src);
    found.remove("process");
    let mut below = BTreeSet::new();
    for (module, may_know) in layers {
        let may_know: BTreeSet<String> = may_know.split_whitespace().map(str::to_owned).collect();
        for name in &may_know {
            assert!(below.contains(name), "{src}: {module} stands below {name}, which it may know");
        }
        let knows = found.remove(*module).unwrap_or_else(|| panic!("{src} has no module {module}"));
        let unsaid: Vec<&String> = knows.difference(&may_know).collect();
        assert!(unsaid.is_empty(), "{src}: {module} knows {unsaid:?}, which this file does not say");
        let unused: Vec<&String> = may_know.difference(&knows).collect();
        assert!(
            unused.is_empty(),
            "{src}: {module} does not know {unused:?} any more: take it out of this file"
        );
        below.insert((*module).to_owned());
    }
    assert!(found.is_empty(), "{src}: modules that this file does not name: {:?}", found.keys());
}

#[test]
fn modules_of_the_engine_know_those_below_them() {
    check("engine/src", ENGINE);
}

#[test]
fn modules_of_the_server_know_those_below_them() {
    check("server/src", SERVER);
}

/// The modules of a crate with all that each knows, parents and children of each other apart: a parent declares its
/// children, and they may use what all of them share.
fn graph(src: &str) -> BTreeMap<Vec<String>, BTreeSet<Vec<String>>> {
    let files = files(src);
    let modules: BTreeSet<&Vec<String>> = files.iter().map(|file| &file.module).collect();
    let owner = |path: Vec<String>| {
        (1..=path.len()).rev().map(|length| path[..length].to_vec()).find(|module| modules.contains(module))
    };
    let knows = |file: &File| -> BTreeSet<Vec<String>> {
        let is_other =
            |module: &Vec<String>| !module.starts_with(&file.module) && !file.module.starts_with(module);
        named(file).into_iter().filter_map(owner).filter(is_other).collect()
    };
    files.iter().map(|file| (file.module.clone(), knows(file))).collect()
}

/// Modules that know each other, by way of others or not: what is left when those that know none of the others are
/// taken away again and again, and then those that none of the others know.
fn circles(mut graph: BTreeMap<Vec<String>, BTreeSet<Vec<String>>>) -> Vec<Vec<String>> {
    loop {
        let before = graph.len();
        let left: BTreeSet<Vec<String>> = graph.keys().cloned().collect();
        graph.retain(|_, knows| knows.iter().any(|module| left.contains(module)));
        let known: BTreeSet<Vec<String>> = graph.values().flatten().cloned().collect();
        graph.retain(|module, _| known.contains(module));
        if graph.len() == before {
            return graph.into_keys().collect();
        }
    }
}

#[test]
fn no_two_files_know_each_other() {
    for src in ["engine/src", "server/src", "sim/src", "proptests/src"] {
        let found: Vec<PathBuf> = circles(graph(src)).iter().map(|module| module.iter().collect()).collect();
        assert!(found.is_empty(), "{src}: these are in a circle, or on the way between two: {found:?}");
    }
}

#[test]
fn names_and_circles_are_found() {
    let module = |path: &str| path.split("::").map(str::to_owned).collect::<Vec<_>>();
    let file = |name: &str, text: &str| File { module: module(name), code: code(text) };
    let text = "use super::{b::{C, d as e}, f};\n// crate::not\nfn g() { crate::h::i(); other::j() }\n\
                #[cfg(test)]\nmod tests {\n use crate::k; }";
    let found: Vec<String> = named(&file("a::x", text)).iter().map(|path| path.join("::")).collect();
    assert_eq!(found, ["a::b::C", "a::b::d", "a::f", "h::i"]);

    let knows = |pairs: &[(&str, &[&str])]| {
        pairs
            .iter()
            .map(|(name, knows)| (module(name), knows.iter().map(|name| module(name)).collect()))
            .collect()
    };
    assert_eq!(circles(knows(&[("a", &["b", "c"]), ("b", &["c"]), ("c", &[])])), Vec::<Vec<String>>::new());
    assert_eq!(
        circles(knows(&[("a", &["b"]), ("b", &["c"]), ("c", &["b", "d"]), ("d", &[])])),
        [module("b"), module("c")]
    );
}
