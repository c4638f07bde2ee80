//! Reading the log back when a member starts.

use super::super::{Context, Disk, DiskError, File, NEXT_STEP_OF_A_LOSS};
use super::{Segment, Wal, WalConfig, segment_number, segment_path};
use detcd_engine::raft::LogRecord;
use detcd_engine::wal::{
    Chain, ExpectedSegment, LogReplay, ReplayError, SegmentContents, SegmentHeader, SegmentReader, WalError,
};
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How much is read, and how much is put zeros into, at once.
const PIECE_BYTES: usize = 1024 * 1024;
/// How much of a piece is decoded at once: what the reader holds besides the records grows with it.
const DECODED_BYTES: usize = 64 * 1024;

/// Why a log cannot be used. A member must not start then: it may have forgotten what it promised.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// There is no segment at all.
    #[error("{} holds no log; {NEXT_STEP_OF_A_LOSS}", dir.display())]
    Empty {
        /// The log's directory.
        dir: PathBuf,
    },
    /// A segment is not there, though an older and a newer one are.
    #[error("{} is missing, though there are segments before and after it: put it back, if it was moved; else \
             {NEXT_STEP_OF_A_LOSS}", path.display())]
    Missing {
        /// Its name.
        path: PathBuf,
    },
    /// A segment cannot be read.
    #[error("{}: {cause}; {}", path.display(), next_step(cause))]
    Segment {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the offset.
        cause: WalError,
    },
    /// Its records do not follow from those before.
    #[error("{}: {cause}; {NEXT_STEP_OF_A_LOSS}", path.display())]
    Replay {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        cause: ReplayError,
    },
}

fn next_step(cause: &WalError) -> &'static str {
    match cause {
        WalError::Version { .. } => "start the release of detcd that wrote it",
        WalError::Identity { .. } => {
            "it was written in another data directory or under another name: put back the file that belongs here"
        }
        WalError::Magic { .. }
        | WalError::HeaderChecksum { .. }
        | WalError::Header(_)
        | WalError::Short { .. }
        | WalError::Corrupt { .. }
        | WalError::Record { .. } => NEXT_STEP_OF_A_LOSS,
    }
}

/// A log as its directory holds it.
#[derive(Debug)]
pub struct Opened {
    /// To append to.
    pub wal: Wal,
    /// The records, added up: `LogReplay::finish` wants the snapshot.
    pub replay: LogReplay,
}

/// Reads all segments, and cuts a torn tail off durably. What a snapshot at `covered` has is not kept.
pub async fn open(disk: &Arc<dyn Disk>, config: WalConfig, covered: u64) -> Result<Opened, OpenError> {
    let numbers = numbers(&**disk, &config).await?;
    // The newest segment's name may come from a rename whose sync failed; what is appended to it must not go with it.
    disk.sync_dir(&config.dir).await.context("sync", &config.dir)?;
    let mut added = Added { replay: LogReplay::after(covered), highest_index: 0 };
    let mut segments = VecDeque::new();
    let mut newest: Option<Newest> = None;
    for (place, number) in numbers.iter().enumerate() {
        let path = segment_path(&config.dir, *number);
        let expected = ExpectedSegment {
            cluster: config.cluster,
            member: config.member,
            incarnation: config.incarnation,
            number: *number,
            previous: newest.as_ref().map(|before| before.chain.checksum()),
        };
        let is_last = place + 1 == numbers.len();
        let (contents, found_bytes) = read(&**disk, &path, expected, is_last, &mut added).await?;
        newest = Some(Newest::of(&contents, found_bytes));
        if let Some(problem) = &contents.torn {
            tracing::warn!(file = %path.display(), offset = contents.end_offset, problem, "cutting a torn tail");
        }
        segments.push_back(Segment { number: *number, highest_index: added.highest_index });
        tokio::task::yield_now().await;
    }
    let newest = newest.ok_or_else(|| OpenError::Empty { dir: config.dir.clone() })?;
    let number = segments.back().expect("there is a newest").number;
    let path = segment_path(&config.dir, number);
    let file = disk.open(&path).await.context("open", &path)?;
    // What was read may not be durable: the crash can have been this process's alone, or the sync failed that was to
    // make it so. After the second a sync proves nothing, as the cache holds the bytes and takes them for written:
    // so they are written again, with zeros in place of what is torn. They count as durable from here on.
    if newest.synced_bytes < newest.written_to {
        newest.write_again(&*file).await.context("write", &path)?;
    }
    file.sync_data().await.context("sync", &path)?;
    file.done_reading().await.context("let go of", &path)?;
    let Newest { chain, length, is_closed, .. } = newest;
    let (disk, replay, durable_bytes) = (Arc::clone(disk), added.replay, chain.end_offset());
    let tail = replay.tail();
    let mut wal = Wal { disk, config, segments, path, file, length, chain, durable_bytes, is_closed, tail };
    wal.close_batch().await?;
    Ok(Opened { wal, replay })
}

/// The segment that is appended to.
struct Newest {
    chain: Chain,
    synced_bytes: u64,
    /// What is to be in the file from `synced_bytes` on, as far as that is not certain.
    doubtful: Vec<u8>,
    /// So far, with zeros behind that.
    written_to: u64,
    /// How long it was made.
    length: u64,
    /// Whether it ends with a closing record.
    is_closed: bool,
}

impl Newest {
    /// Of what was found in a file of so many bytes.
    fn of(contents: &SegmentContents, found_bytes: u64) -> Newest {
        Newest {
            chain: contents.chain,
            synced_bytes: contents.synced_bytes,
            doubtful: contents.doubtful.to_vec(),
            written_to: if contents.torn.is_some() { found_bytes } else { contents.end_offset },
            length: contents.header.segment_bytes,
            is_closed: contents.is_closed(),
        }
    }

    async fn write_again(&self, file: &dyn File) -> io::Result<()> {
        let mut piece = self.doubtful.clone();
        let mut at = self.synced_bytes;
        while at < self.written_to {
            let left = usize::try_from(self.written_to - at).expect("a segment of ours fits in memory");
            piece.resize(piece.len().max(left.min(PIECE_BYTES)), 0);
            let length = piece.len() as u64;
            file.write_at(at, std::mem::take(&mut piece)).await?;
            at += length;
        }
        Ok(())
    }
}

/// What the segments add up to.
struct Added {
    replay: LogReplay,
    /// Of an entry, whether or not it was replaced later.
    highest_index: u64,
}

impl Added {
    fn begin_segment(&mut self, header: &SegmentHeader) -> Result<(), ReplayError> {
        self.highest_index = self.highest_index.max(header.tail.last_index);
        self.replay.begin_segment(header)
    }

    fn push(&mut self, records: Vec<LogRecord>) -> Result<(), ReplayError> {
        for record in records {
            self.highest_index = self.highest_index.max(last_index(&record));
            self.replay.push(record)?;
        }
        Ok(())
    }
}

/// Reads a segment in pieces: it is mostly zeros, or mostly what a snapshot covers.
async fn read(
    disk: &dyn Disk,
    path: &Path,
    expected: ExpectedSegment,
    is_last: bool,
    added: &mut Added,
) -> Result<(SegmentContents, u64), OpenError> {
    let file = disk.open(path).await.context("open", path)?;
    let length = file.length().await.context("measure", path)?;
    let length_bytes = usize::try_from(length).expect("a segment of ours fits in memory");
    let refused = |cause| OpenError::Segment { path: path.to_owned(), cause };
    let does_not_fit = |cause| OpenError::Replay { path: path.to_owned(), cause };
    let mut has_begun = false;
    let mut reader = SegmentReader::new(expected, is_last, length_bytes);
    let mut at = 0;
    while at < length {
        let piece = file.read_at(at, PIECE_BYTES).await.context("read", path)?;
        // Somebody cut it meanwhile: it is as long as that.
        if piece.is_empty() {
            break;
        }
        at += piece.len() as u64;
        for part in piece.chunks(DECODED_BYTES) {
            reader.push(part).map_err(refused)?;
            if let Some(header) = reader.header().filter(|_| !has_begun) {
                added.begin_segment(header).map_err(does_not_fit)?;
                has_begun = true;
            }
            added.push(reader.take_records()).map_err(does_not_fit)?;
        }
    }
    let mut contents = reader.finish().map_err(refused)?;
    if !has_begun {
        added.begin_segment(&contents.header).map_err(does_not_fit)?;
    }
    added.push(std::mem::take(&mut contents.records)).map_err(does_not_fit)?;
    Ok((contents, at))
}

fn last_index(record: &LogRecord) -> u64 {
    match record {
        LogRecord::Append { entries, .. } => entries.last().map_or(0, |entry| entry.index),
        LogRecord::Installed { meta, .. } => meta.index,
    }
}

/// The segments' numbers, ascending, none missing in between. Removes one that was never finished.
async fn numbers(disk: &dyn Disk, config: &WalConfig) -> Result<Vec<u64>, OpenError> {
    let names = disk.list(&config.dir).await.context("list", &config.dir)?;
    for name in names.iter().filter(|name| name.ends_with(".tmp")) {
        let path = config.dir.join(name);
        disk.remove(&path).await.context("remove", &path)?;
    }
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| segment_number(name)).collect();
    numbers.sort_unstable();
    for pair in numbers.windows(2) {
        if pair[1] != pair[0] + 1 {
            return Err(OpenError::Missing { path: segment_path(&config.dir, pair[0] + 1) });
        }
    }
    Ok(numbers)
}
