//! A walk through the trees of a file. It may come from anywhere and hold anything: whatever is not as bbolt writes it is
//! an error that names the page. A walk takes no more time than the file has pages, and the memory of one page a level.

use super::page::{BUCKET, BUCKET_BYTES, ELEMENT_BYTES, HEADER_BYTES, Meta, header, kind, u32_at, u64_at};
use std::fmt;

/// A tree of so many levels has more leaves than any disk has bytes.
const LEVELS_MAX: usize = 32;
/// A page and those it runs over: beyond that it is corruption, not a value.
const PAGE_BYTES_MAX: u64 = 1 << 30;
/// What bbolt takes for the size of a page.
const PAGE_SIZES: std::ops::RangeInclusive<u32> = 1024..=1 << 24;

/// The bytes of a file.
pub trait Source {
    /// Why they cannot be read.
    type Error;
    /// So many bytes from an offset, all of which are within the length that was said.
    ///
    /// # Errors
    /// They cannot be read.
    fn read(&mut self, offset: u64, bytes: usize) -> Result<Vec<u8>, Self::Error>;
}

impl Source for &[u8] {
    type Error = std::convert::Infallible;

    fn read(&mut self, offset: u64, bytes: usize) -> Result<Vec<u8>, Self::Error> {
        let start = usize::try_from(offset).expect("it is within the slice");
        Ok(self[start..start + bytes].to_vec())
    }
}

/// A page that is not as bbolt writes it, or not as whoever visits its entries wants them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("page {page}: {problem}")]
pub struct Damage {
    /// Its number.
    pub page: u64,
    /// What was expected and what was found.
    pub problem: String,
}

/// Why a walk ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadError<E> {
    /// The bytes cannot be read.
    Source(E),
    /// They are not what they should be.
    Damaged(Damage),
}

impl<E> From<Damage> for ReadError<E> {
    fn from(damage: Damage) -> ReadError<E> {
        ReadError::Damaged(damage)
    }
}

fn damage<T>(page: u64, problem: impl Into<String>) -> Result<T, Damage> {
    Err(Damage { page, problem: problem.into() })
}

/// A file being read.
#[derive(Debug)]
pub struct Reader<S> {
    source: S,
    meta: Meta,
    /// Pages that were not walked through yet: each belongs to one tree, once.
    pages_left: u64,
}

/// A bucket with its name.
pub type Named = (Vec<u8>, Bucket);

/// A bucket of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket(Root);

#[derive(Clone, PartialEq, Eq)]
enum Root {
    Page(u64),
    /// A small bucket is a page within a page.
    Inline {
        within: u64,
        bytes: Vec<u8>,
    },
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Root::Page(page) => write!(f, "page {page}"),
            Root::Inline { within, .. } => write!(f, "in page {within}"),
        }
    }
}

/// What looks at the key and value of each entry; an error ends the walk.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> Result<(), String> + 'a;

/// One entry of a leaf.
struct Entry<'a> {
    page: u64,
    flags: u32,
    key: &'a [u8],
    value: &'a [u8],
}

impl<S: Source> Reader<S> {
    /// Reads the metas of a file of so many bytes.
    ///
    /// # Errors
    /// None of them is whole, or the file is shorter than they say.
    pub fn open(mut source: S, length: u64) -> Result<Reader<S>, ReadError<S::Error>> {
        let meta = find_meta(&mut source, length)?;
        let page_bytes = u64::from(meta.page_bytes);
        if !PAGE_SIZES.contains(&meta.page_bytes) || !meta.page_bytes.is_power_of_two() {
            return damage(0, format!("pages of {page_bytes} bytes")).map_err(ReadError::Damaged);
        }
        let needed = meta.page_count.checked_mul(page_bytes);
        if needed.is_none_or(|needed| needed > length) {
            let found = length / page_bytes;
            let problem = format!("a file of {} pages that ends after {found}", meta.page_count);
            return damage(found, problem).map_err(ReadError::Damaged);
        }
        Ok(Reader { source, meta, pages_left: meta.page_count })
    }

    /// The buckets by name, in ascending order.
    ///
    /// # Errors
    /// The root tree is damaged.
    pub fn buckets(&mut self) -> Result<Vec<Named>, ReadError<S::Error>> {
        let mut buckets = Vec::new();
        let root = Root::Page(self.meta.root);
        self.walk_tree(&root, &mut |entry| {
            let Entry { page, flags, key, value } = entry;
            if flags != BUCKET || value.len() < BUCKET_BYTES {
                return damage(page, format!("{:?} is not a bucket", key.escape_ascii().to_string()));
            }
            let root = match u64_at(value, 0) {
                0 => Root::Inline { within: page, bytes: value[BUCKET_BYTES..].to_vec() },
                page => Root::Page(page),
            };
            buckets.push((key.to_vec(), Bucket(root)));
            Ok(())
        })?;
        Ok(buckets)
    }

    /// Visits every entry of a bucket, in ascending order of the keys.
    ///
    /// # Errors
    /// The bucket is damaged, or `visit` says so of an entry.
    pub fn walk(&mut self, bucket: &Bucket, visit: &mut Visit<'_>) -> Result<(), ReadError<S::Error>> {
        self.walk_tree(&bucket.0, &mut |entry| {
            let Entry { page, flags, key, value } = entry;
            if flags != 0 {
                return damage(page, format!("{:?} is a bucket in a bucket", key.escape_ascii().to_string()));
            }
            visit(key, value).or_else(|problem| damage(page, problem))
        })
    }

    fn walk_tree(
        &mut self,
        root: &Root,
        visit: &mut dyn FnMut(Entry<'_>) -> Result<(), Damage>,
    ) -> Result<(), ReadError<S::Error>> {
        let mut last_key = None;
        let first = match root {
            Root::Page(page) => *page,
            Root::Inline { within, bytes } => {
                return Ok(leaf(*within, bytes, &mut last_key, visit)?);
            }
        };
        let mut levels = vec![vec![first].into_iter()];
        while let Some(level) = levels.last_mut() {
            let Some(page) = level.next() else {
                levels.pop();
                continue;
            };
            let bytes = self.page(page)?;
            match header(&bytes).kind {
                kind::LEAF => leaf(page, &bytes, &mut last_key, visit)?,
                kind::BRANCH if levels.len() < LEVELS_MAX => levels.push(branch(page, &bytes)?.into_iter()),
                kind::BRANCH => damage(page, format!("a tree of more than {LEVELS_MAX} levels"))?,
                other => {
                    damage(page, format!("a leaf or a branch expected, a page of kind {other:#x} found"))?
                }
            }
        }
        Ok(())
    }

    /// A page, and those it runs over.
    fn page(&mut self, page: u64) -> Result<Vec<u8>, ReadError<S::Error>> {
        let page_bytes = u64::from(self.meta.page_bytes);
        let count = self.meta.page_count;
        if page < 2 || page >= count {
            return damage(page, format!("referred to in a file of {count} pages"))
                .map_err(ReadError::Damaged);
        }
        let mut read = |pages: u64| {
            let bytes = usize::try_from(pages * page_bytes).expect("at most a gigabyte");
            self.source.read(page * page_bytes, bytes).map_err(ReadError::Source)
        };
        let first = read(1)?;
        let found = header(&first);
        let pages = 1 + u64::from(found.overflow);
        let problem = if found.page != page {
            Some(format!("it says that it is page {}", found.page))
        } else if pages > count - page || pages * page_bytes > PAGE_BYTES_MAX {
            Some(format!("it runs over {} pages of {count}", found.overflow))
        } else {
            None
        };
        if let Some(problem) = problem {
            return damage(page, problem).map_err(ReadError::Damaged);
        }
        let bytes = if pages == 1 { first } else { read(pages)? };
        match self.pages_left.checked_sub(pages) {
            Some(left) => self.pages_left = left,
            None => {
                return damage(page, "it, or another page, belongs to two trees").map_err(ReadError::Damaged);
            }
        }
        Ok(bytes)
    }
}

/// The newer of those that are whole. Where the first is not, the size of a page is not known.
fn find_meta<S: Source>(source: &mut S, length: u64) -> Result<Meta, ReadError<S::Error>> {
    let bytes = HEADER_BYTES + super::page::META_BYTES + 8;
    let mut at = |offset: u64| -> Result<Result<Meta, String>, ReadError<S::Error>> {
        if length < offset.saturating_add(bytes as u64) {
            return Ok(Err(format!("the file ends after {length} bytes")));
        }
        Ok(Meta::decode(&source.read(offset, bytes).map_err(ReadError::Source)?))
    };
    let problem = match at(0)? {
        Ok(first) => {
            let second = at(u64::from(first.page_bytes))?.ok();
            return Ok(second.filter(|second| second.txid > first.txid).unwrap_or(first));
        }
        Err(problem) => problem,
    };
    let mut page_bytes = *PAGE_SIZES.start();
    while PAGE_SIZES.contains(&page_bytes) {
        if let Ok(second) = at(u64::from(page_bytes))?
            && second.page_bytes == page_bytes
        {
            return Ok(second);
        }
        page_bytes *= 2;
    }
    damage(0, problem).map_err(ReadError::Damaged)
}

/// The parts of the element of this number: where it begins, its key and what follows that.
fn element(page: u64, bytes: &[u8], at: usize) -> Result<(usize, usize), Damage> {
    let start = HEADER_BYTES + at * ELEMENT_BYTES;
    if start + ELEMENT_BYTES > bytes.len() {
        return damage(page, format!("element {at} is beyond its end"));
    }
    Ok((start, start + ELEMENT_BYTES))
}

/// So many bytes at a distance from an element.
fn part(page: u64, bytes: &[u8], (start, distance, length): (usize, u64, u64)) -> Result<&[u8], Damage> {
    let start = start as u64 + distance;
    let end = start + length;
    match (usize::try_from(start), usize::try_from(end)) {
        (Ok(start), Ok(end)) if end <= bytes.len() => Ok(&bytes[start..end]),
        _ => damage(page, format!("bytes {start} to {end} of it, which has {}", bytes.len())),
    }
}

fn leaf(
    page: u64,
    bytes: &[u8],
    last_key: &mut Option<Vec<u8>>,
    visit: &mut dyn FnMut(Entry<'_>) -> Result<(), Damage>,
) -> Result<(), Damage> {
    if bytes.len() < HEADER_BYTES {
        return damage(page, "a bucket within it is cut off");
    }
    let found = header(bytes);
    if found.kind != kind::LEAF {
        return damage(page, format!("a leaf expected, a page of kind {:#x} found", found.kind));
    }
    for at in 0..usize::from(found.count) {
        let (start, _) = element(page, bytes, at)?;
        let [flags, distance, key_bytes, value_bytes] =
            [0, 4, 8, 12].map(|offset| u32_at(bytes, start + offset));
        let (distance, key_bytes) = (u64::from(distance), u64::from(key_bytes));
        let key = part(page, bytes, (start, distance, key_bytes))?;
        let value = part(page, bytes, (start, distance + key_bytes, u64::from(value_bytes)))?;
        if last_key.as_ref().is_some_and(|last| last.as_slice() >= key) {
            return damage(page, format!("key {at} is not above the one before"));
        }
        let last_key = last_key.get_or_insert_default();
        last_key.clear();
        last_key.extend_from_slice(key);
        visit(Entry { page, flags, key, value })?;
    }
    Ok(())
}

fn branch(page: u64, bytes: &[u8]) -> Result<Vec<u64>, Damage> {
    let count = usize::from(header(bytes).count);
    if count == 0 {
        return damage(page, "a branch without pages below");
    }
    (0..count).map(|at| element(page, bytes, at).map(|(start, _)| u64_at(bytes, start + 8))).collect()
}
