//! A snapshot file on the disk: its checksum, and its bytes page by page.

use detcd_engine::bbolt::{ReadError, Reader, Source};
use detcd_engine::etcd_file::{Contents, ImportError};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// How much is read at once for the checksum.
const READ_BYTES: usize = 1024 * 1024;
/// Length of the checksum, behind the pages.
const CHECKSUM_BYTES: u64 = 32;
/// Every size of a page is a multiple of it: what is left over tells whether there is a checksum, as for etcd's tools.
const SECTOR_BYTES: u64 = 512;

/// What to do where a file is no good.
const NEXT_STEP: &str = "nothing was written; restore another backup, or save this one anew";

/// Reads a file whole. Errors name it, and where it is damaged the page, and what to do.
pub(super) fn read(path: &Path, skips_hash_check: bool) -> Result<Contents, String> {
    let named = |problem: String| format!("{}: {problem}", path.display());
    let open = || -> io::Result<(File, u64)> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        Ok((file, length))
    };
    let (file, length) = open().map_err(|error| named(error.to_string()))?;
    let pages_length = check(&file, length, skips_hash_check).map_err(named)?;
    let mut reader = Reader::open(Pages(file), pages_length).map_err(|error| named(told(error.into())))?;
    Contents::read(&mut reader).map_err(|error| named(told(error)))
}

fn told(error: ImportError<io::Error>) -> String {
    match error {
        ImportError::Read(ReadError::Source(error)) => error.to_string(),
        ImportError::Read(ReadError::Damaged(damage)) => format!("{damage}; {NEXT_STEP}"),
        ImportError::Content(problem) => format!("{problem}; nothing was written"),
    }
}

/// The length of the file without its checksum, which was looked at.
fn check(file: &File, length: u64, skips_hash_check: bool) -> Result<u64, String> {
    if length % SECTOR_BYTES != CHECKSUM_BYTES {
        if skips_hash_check {
            return Ok(length);
        }
        return Err(format!(
            "{length} bytes are no snapshot with its checksum: it was cut off, or copied from a data directory, where \
             there is none (--skip-hash-check takes it as it is); nothing was written"
        ));
    }
    let pages_length = length - CHECKSUM_BYTES;
    if skips_hash_check {
        return Ok(pages_length);
    }
    let read =
        |offset: u64, bytes: usize| Pages::read_at(file, offset, bytes).map_err(|error| error.to_string());
    let mut sha256 = Sha256::new();
    let mut at = 0;
    while at < pages_length {
        let piece = read(at, READ_BYTES.min(usize::try_from(pages_length - at).unwrap_or(READ_BYTES)))?;
        sha256.update(&piece);
        at += piece.len() as u64;
    }
    let stored = read(pages_length, CHECKSUM_BYTES as usize)?;
    let computed = sha256.finalize();
    if stored != computed.as_slice() {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        return Err(format!("its sha256 is {}, it says {}; {NEXT_STEP}", hex(&computed), hex(&stored)));
    }
    Ok(pages_length)
}

#[derive(Debug)]
struct Pages(File);

impl Pages {
    fn read_at(file: &File, offset: u64, bytes: usize) -> io::Result<Vec<u8>> {
        let mut found = vec![0; bytes];
        file.read_exact_at(&mut found, offset)?;
        Ok(found)
    }
}

impl Source for Pages {
    type Error = io::Error;

    fn read(&mut self, offset: u64, bytes: usize) -> io::Result<Vec<u8>> {
        Pages::read_at(&self.0, offset, bytes)
    }
}
