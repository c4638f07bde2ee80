//! docs/invariants.md says which files keep an invariant, and those files say which invariants they keep.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Which files keep which invariant.
type Kept = BTreeMap<String, BTreeSet<String>>;

/// Files by the invariants that their comments name.
fn tagged() -> Kept {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("server/ is in the repository");
    let mut kept = Kept::new();
    for src in ["engine/src", "server/src"] {
        for (path, text) in super::texts(&root.join(src), &["rs"]) {
            let comments = text.lines().filter_map(|line| line.split_once("//").map(|(_, comment)| comment));
            for name in comments.flat_map(names) {
                kept.entry(name).or_default().insert(path.to_string_lossy().into_owned());
            }
        }
    }
    kept
}

/// The invariants that a text names: I and a number, as a word of its own.
fn names(text: &str) -> impl Iterator<Item = String> {
    let words = text.split(|c: char| !c.is_alphanumeric());
    let is_name = |word: &&str| {
        word.strip_prefix('I')
            .is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_digit()))
    };
    words.filter(is_name).map(str::to_owned)
}

/// What the page's column "Kept by" says, from rows of its table.
fn on_the_page(page: &str) -> Kept {
    let rows = page.lines().filter_map(|line| line.strip_prefix("| I"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split(" | ").collect();
        let files = cells[3].split('`').filter(|word| word.ends_with(".rs")).map(str::to_owned);
        (format!("I{}", cells[0]), files.collect())
    })
    .collect()
}

#[test]
fn invariants_are_kept_where_the_page_says() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/invariants.md");
    let page = on_the_page(&std::fs::read_to_string(page).expect("the page"));
    assert!(page.len() > 15, "only {} invariants were found on the page", page.len());
    let tagged = tagged();
    for name in page.keys().chain(tagged.keys()) {
        let none = BTreeSet::new();
        let (said, found) = (page.get(name).unwrap_or(&none), tagged.get(name).unwrap_or(&none));
        let missing: Vec<&String> = said.difference(found).collect();
        assert!(
            missing.is_empty(),
            "{name} is not named in {missing:?}, which docs/invariants.md says keep it"
        );
        let unsaid: Vec<&String> = found.difference(said).collect();
        assert!(unsaid.is_empty(), "{name} is named in {unsaid:?}, which docs/invariants.md does not say");
    }
}

#[test]
fn pages_and_comments_are_read_as_they_are_meant() {
    assert_eq!(names("/ I4: an I12, (I3); no AI5, I, I2C").collect::<Vec<_>>(), ["I4", "I12", "I3"]);
    let page = on_the_page(
        "| | Invariant |\n| I7 | what | why | asserted: `a/b.rs` (`c`), `d.rs` | tests of `e.rs` |",
    );
    assert_eq!(page, [("I7".to_owned(), ["a/b.rs", "d.rs"].map(str::to_owned).into())].into());
}
