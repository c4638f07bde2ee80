//! Trees from the bottom up: entries come in ascending order, a page is written when the next entry has no room in it,
//! and what is remembered of it is its first key and its number, in the branch above. So a tree of any size takes the
//! memory of one page for each of its levels.
//!
//! The number of the root page stands in the first two pages of a file, and is known last. So a file is made twice: its
//! pages are first counted, from the lengths of the entries alone, and then written.

use super::page::{self, BUCKET, ELEMENT_BYTES, HEADER_BYTES, Header, Meta, PAGE_BYTES, kind, put_header};
use crate::codec::Encode;

/// The pages of a file behind its metas, counted or written.
#[derive(Debug)]
pub struct Pages {
    next: u64,
    /// What was written and not yet taken; `None` where pages are only counted.
    out: Option<Vec<u8>>,
}

impl Pages {
    /// Pages that are only counted: their entries are put without their values.
    pub fn counted() -> Pages {
        Pages { next: 2, out: None }
    }

    /// Pages that are written.
    pub fn written() -> Pages {
        Pages { next: 2, out: Some(Vec::new()) }
    }

    /// How many pages the file has so far, its two metas included.
    pub fn count(&self) -> u64 {
        self.next
    }

    /// The bytes written since this was last called.
    pub fn take(&mut self) -> Vec<u8> {
        self.out.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// How many bytes wait to be taken.
    pub fn waiting_bytes(&self) -> usize {
        self.out.as_ref().map_or(0, Vec::len)
    }
}

/// A tree on its way.
#[derive(Debug)]
pub struct TreeWriter {
    /// The page that is being filled on each level, leaves first.
    levels: Vec<Filling>,
    last_key: Vec<u8>,
}

/// A page that is being filled.
#[derive(Debug)]
struct Filling {
    kind: u16,
    elements: Vec<Element>,
    first_key: Vec<u8>,
    /// Keys and values; of a page that is only counted, what was put of them.
    content: Vec<u8>,
    bytes: usize,
}

#[derive(Debug)]
struct Element {
    flags: u32,
    key_at: usize,
    key_bytes: usize,
    value_bytes: usize,
    /// Of a branch: the page below.
    below: u64,
}

impl Default for TreeWriter {
    fn default() -> TreeWriter {
        TreeWriter { levels: vec![Filling::new(kind::LEAF)], last_key: Vec::new() }
    }
}

impl TreeWriter {
    /// Puts an entry behind all others. `put_value` appends as many bytes as is said; it is not called where pages are
    /// only counted.
    pub fn put(
        &mut self,
        pages: &mut Pages,
        key: &[u8],
        value_bytes: usize,
        put_value: impl FnOnce(&mut Vec<u8>),
    ) {
        self.put_element(pages, 0, (key, value_bytes), put_value);
    }

    fn put_element(
        &mut self,
        pages: &mut Pages,
        flags: u32,
        (key, value_bytes): (&[u8], usize),
        put_value: impl FnOnce(&mut Vec<u8>),
    ) {
        let is_first = self.last_key.is_empty();
        assert!(is_first || self.last_key.as_slice() < key, "{key:?} comes after {:?}", self.last_key);
        self.last_key.clear();
        self.last_key.extend_from_slice(key);
        if !self.levels[0].has_room(key.len() + value_bytes) {
            self.write(pages, 0);
        }
        let leaf = &mut self.levels[0];
        leaf.add(Element { flags, key_at: 0, key_bytes: key.len(), value_bytes, below: 0 }, key);
        if pages.out.is_some() {
            let before = leaf.content.len();
            put_value(&mut leaf.content);
            let put = leaf.content.len() - before;
            assert_eq!(put, value_bytes, "the value of {key:?} has another length than was said");
        }
    }

    /// Writes what is left; answers the root page.
    pub fn finish(mut self, pages: &mut Pages) -> u64 {
        let mut level = 0;
        loop {
            if level + 1 == self.levels.len() {
                return self.levels[level].write(pages);
            }
            self.write(pages, level);
            level += 1;
        }
    }

    /// Writes the page of a level, and notes it in the branch above.
    fn write(&mut self, pages: &mut Pages, level: usize) {
        let first_key = std::mem::take(&mut self.levels[level].first_key);
        let below = self.levels[level].write(pages);
        if self.levels.len() == level + 1 {
            self.levels.push(Filling::new(kind::BRANCH));
        }
        if !self.levels[level + 1].has_room(first_key.len()) {
            self.write(pages, level + 1);
        }
        let element = Element { flags: 0, key_at: 0, key_bytes: first_key.len(), value_bytes: 0, below };
        self.levels[level + 1].add(element, &first_key);
    }
}

impl Filling {
    fn new(kind: u16) -> Filling {
        Filling {
            kind,
            elements: Vec::new(),
            first_key: Vec::new(),
            content: Vec::new(),
            bytes: HEADER_BYTES,
        }
    }

    /// Whether another element has room; one always does, over as many pages as it takes.
    fn has_room(&self, content_bytes: usize) -> bool {
        self.elements.is_empty() || self.bytes + ELEMENT_BYTES + content_bytes <= PAGE_BYTES
    }

    fn add(&mut self, element: Element, key: &[u8]) {
        if self.elements.is_empty() {
            self.first_key = key.to_vec();
        }
        self.bytes += ELEMENT_BYTES + element.key_bytes + element.value_bytes;
        self.elements.push(Element { key_at: self.content.len(), ..element });
        self.content.extend_from_slice(key);
    }

    /// Writes the page and begins the next; answers its number.
    fn write(&mut self, pages: &mut Pages) -> u64 {
        let filling = std::mem::replace(self, Filling::new(self.kind));
        let count = filling.bytes.div_ceil(PAGE_BYTES);
        let page = pages.next;
        pages.next += count as u64;
        if let Some(out) = &mut pages.out {
            let end = out.len() + count * PAGE_BYTES;
            let overflow = u32::try_from(count - 1).expect("an entry is below 4 GiB");
            filling.put(out, page, overflow);
            assert!(out.len() <= end, "page {page} was counted as {count}");
            out.resize(end, 0);
        }
        page
    }

    fn put(&self, out: &mut Vec<u8>, page: u64, overflow: u32) {
        let count = u16::try_from(self.elements.len()).expect("a page has room for 255 elements");
        put_header(out, Header { page, kind: self.kind, count, overflow });
        let length = |bytes: usize| u32::try_from(bytes).expect("an entry is below 4 GiB");
        for (at, element) in self.elements.iter().enumerate() {
            let to_key = length((self.elements.len() - at) * ELEMENT_BYTES + element.key_at);
            if self.kind == kind::LEAF {
                out.put_u32_field(element.flags);
                out.put_u32_field(to_key);
                out.put_u32_field(length(element.key_bytes));
                out.put_u32_field(length(element.value_bytes));
            } else {
                out.put_u32_field(to_key);
                out.put_u32_field(length(element.key_bytes));
                out.put_u64_field(element.below);
            }
        }
        out.extend_from_slice(&self.content);
    }
}

/// The root tree of these buckets, each with its root page, in ascending order of their names; answers its own.
pub fn write_root(pages: &mut Pages, buckets: &[(&[u8], u64)]) -> u64 {
    let mut tree = TreeWriter::default();
    for (name, root) in buckets {
        tree.put_element(pages, BUCKET, (name, page::BUCKET_BYTES), |value| {
            value.put_u64_field(*root);
            value.put_u64_field(0);
        });
    }
    tree.finish(pages)
}

/// The first two pages of a file that has this root page and so many pages, these two included.
pub fn meta_pages(root: u64, page_count: u64) -> Vec<u8> {
    let page_bytes = u32::try_from(PAGE_BYTES).expect("a few thousand");
    let mut out = Vec::with_capacity(2 * PAGE_BYTES);
    // The first is the newer one, as in the files that bbolt copies.
    for (page, txid) in [(0, 2), (1, 1)] {
        out.extend(Meta { page_bytes, root, page_count, txid }.encode(page));
        out.resize((page as usize + 1) * PAGE_BYTES, 0);
    }
    out
}
