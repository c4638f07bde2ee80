//! Pages byte by byte, and files there and back.

use super::page::{HEADER_BYTES, META_BYTES};
use super::*;

type Entries = Vec<(Vec<u8>, Vec<u8>)>;

/// A file of these buckets.
fn file(buckets: &[(&str, Entries)]) -> Vec<u8> {
    let write = |mut pages: Pages| {
        let roots: Vec<(&[u8], u64)> = buckets
            .iter()
            .map(|(name, entries)| {
                let mut tree = TreeWriter::default();
                for (key, value) in entries {
                    tree.put(&mut pages, key, value.len(), |out| out.extend_from_slice(value));
                }
                (name.as_bytes(), tree.finish(&mut pages))
            })
            .collect();
        let root = write_root(&mut pages, &roots);
        (root, pages.count(), pages.take())
    };
    let (root, count, _) = write(Pages::counted());
    let (written_root, written_count, bytes) = write(Pages::written());
    assert_eq!((written_root, written_count), (root, count));
    let file = [meta_pages(root, count), bytes].concat();
    assert_eq!(file.len() as u64, count * PAGE_BYTES as u64);
    file
}

fn read(file: &[u8]) -> Result<Vec<(String, Entries)>, Damage> {
    let damaged = |error| match error {
        ReadError::Damaged(damage) => damage,
        ReadError::Source(never) => match never {},
    };
    let mut reader = Reader::open(file, file.len() as u64).map_err(damaged)?;
    let mut found = Vec::new();
    for (name, bucket) in reader.buckets().map_err(damaged)? {
        let mut entries = Vec::new();
        let mut visit = |key: &[u8], value: &[u8]| {
            entries.push((key.to_vec(), value.to_vec()));
            Ok(())
        };
        reader.walk(&bucket, &mut visit).map_err(damaged)?;
        found.push((String::from_utf8_lossy(&name).into_owned(), entries));
    }
    Ok(found)
}

fn numbered(count: u32, value_bytes: usize) -> Entries {
    (0..count).map(|number| (number.to_be_bytes().to_vec(), vec![number as u8; value_bytes])).collect()
}

#[test]
fn a_file_byte_by_byte() {
    let file = file(&[("b", vec![(b"k".to_vec(), b"val".to_vec()), (b"l".to_vec(), Vec::new())])]);
    assert_eq!(file.len(), 4 * PAGE_BYTES);
    let zeros = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 0);
    let leaf = &file[2 * PAGE_BYTES..3 * PAGE_BYTES];
    let expected = [
        &b"\x02\0\0\0\0\0\0\0\x02\0\x02\0\0\0\0\0"[..],
        b"\0\0\0\0\x20\0\0\0\x01\0\0\0\x03\0\0\0",
        b"\0\0\0\0\x14\0\0\0\x01\0\0\0\0\0\0\0",
        b"kvall",
    ];
    assert_eq!(leaf[..53], expected.concat());
    assert!(zeros(&leaf[53..]));
    let root = &file[3 * PAGE_BYTES..];
    let expected = [
        &b"\x03\0\0\0\0\0\0\0\x02\0\x01\0\0\0\0\0"[..],
        b"\x01\0\0\0\x10\0\0\0\x01\0\0\0\x10\0\0\0",
        b"b\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
    ];
    assert_eq!(root[..49], expected.concat());
    let meta = &file[..PAGE_BYTES];
    let expected = [
        &b"\0\0\0\0\0\0\0\0\x04\0\0\0\0\0\0\0"[..],
        b"\xed\xda\x0c\xed\x02\0\0\0\0\x10\0\0\0\0\0\0",
        b"\x03\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        b"\xff\xff\xff\xff\xff\xff\xff\xff\x04\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0",
    ];
    assert_eq!(meta[..HEADER_BYTES + META_BYTES], expected.concat());
    assert!(zeros(&meta[HEADER_BYTES + META_BYTES + 8..]));
}

#[test]
fn what_is_written_is_read() {
    let buckets = vec![
        ("empty", Vec::new()),
        ("large", numbered(3, 100_000)),
        ("many", numbered(40_000, 20)),
        ("one", numbered(1, 0)),
    ];
    let file = file(&buckets);
    let expected: Vec<(String, Entries)> =
        buckets.into_iter().map(|(name, entries)| (name.to_owned(), entries)).collect();
    assert_eq!(read(&file), Ok(expected));
    assert_eq!(read(&super::tests::file(&[])), Ok(Vec::new()));
}

#[test]
fn a_small_bucket_within_a_page_is_read() {
    let mut file = file(&[("b", vec![(b"k".to_vec(), b"v".to_vec())])]);
    let root = 3 * PAGE_BYTES;
    // The bucket's header says that its page follows: a leaf with one entry.
    let leaf = file[2 * PAGE_BYTES..2 * PAGE_BYTES + 34].to_vec();
    file[root + 28] = 16 + 34;
    file[root + 33] = 0;
    file[root + 49..root + 49 + 34].copy_from_slice(&leaf);
    assert_eq!(read(&file), Ok(vec![("b".to_owned(), vec![(b"k".to_vec(), b"v".to_vec())])]));
}

#[test]
fn the_second_meta_stands_in_for_the_first() {
    let entries = vec![("b", numbered(3, 5))];
    let mut file = file(&entries);
    file[20] ^= 1;
    assert_eq!(read(&file), Ok(vec![("b".to_owned(), numbered(3, 5))]));
    file[PAGE_BYTES + 60] ^= 1;
    let damage = read(&file).expect_err("no meta is whole");
    assert_eq!(damage.to_string(), "page 0: version 2 of bbolt's format expected, 3 found");
}

#[test]
fn a_damaged_page_is_named() {
    let whole = file(&[("b", numbered(400, 20))]);
    let with = |at: usize, byte: u8| {
        let mut file = whole.clone();
        file[at] = byte;
        read(&file).expect_err("a damaged page").to_string()
    };
    // The first leaf is page 2: its number, its kind, how long its first value is, how many elements it has.
    assert_eq!(with(2 * PAGE_BYTES, 9), "page 2: it says that it is page 9");
    assert_eq!(with(2 * PAGE_BYTES + 8, 4), "page 2: a leaf or a branch expected, a page of kind 0x4 found");
    let beyond = "page 2: bytes 1652 to 4278191752 of it, which has 4096";
    assert_eq!(with(2 * PAGE_BYTES + HEADER_BYTES + 15, 0xff), beyond);
    assert_eq!(with(2 * PAGE_BYTES + 11, 0xff), "page 2: key 102 is not above the one before");
    assert_eq!(with(2 * PAGE_BYTES + 12, 200), "page 2: it runs over 200 pages of 8");
    let cut = read(&whole[..whole.len() - 1]).expect_err("a short file").to_string();
    assert_eq!(cut, "page 7: a file of 8 pages that ends after 7");
    assert_eq!(read(&[]).expect_err("an empty file").to_string(), "page 0: the file ends after 0 bytes");
}

#[test]
fn trees_that_share_a_page_end() {
    let mut file = file(&[("b", numbered(400, 20))]);
    // The branch above the leaves refers to itself.
    let branch = (2..8).find(|page| file[page * PAGE_BYTES + 8] == 1).expect("400 entries have a branch");
    file[branch * PAGE_BYTES + HEADER_BYTES + 8] = branch as u8;
    let damage = read(&file).expect_err("a circle").to_string();
    assert!(damage.ends_with("it, or another page, belongs to two trees"), "{damage}");
}

#[test]
fn whatever_is_flipped_nothing_panics() {
    let whole = file(&[("a", numbered(1, 3)), ("b", numbered(300, 20))]);
    for at in (0..whole.len()).filter(|at| at % PAGE_BYTES < 600) {
        for bit in [0, 3, 7] {
            let mut file = whole.clone();
            file[at] ^= 1 << bit;
            drop(read(&file));
        }
    }
}
