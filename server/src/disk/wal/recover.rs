//! Reading the log back when a member starts.

use super::super::{Disk, DiskError, Doing, read_all};
use super::{Segment, Wal, WalConfig, segment_number, segment_path};
use bytes::Bytes;
use detcd_engine::raft::LogRecord;
use detcd_engine::wal::{self, Chain, ExpectedSegment, LogReplay, ReplayError, SegmentContents, WalError};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

/// Why a log cannot be used. A member must not start then: it may have forgotten what it promised.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// There is no segment at all.
    #[error("{} holds no log", dir.display())]
    Empty {
        /// The log's directory.
        dir: PathBuf,
    },
    /// A segment is not there, though an older and a newer one are.
    #[error("{} is missing", path.display())]
    Missing {
        /// Its name.
        path: PathBuf,
    },
    /// A segment cannot be read.
    #[error("{}: {cause}", path.display())]
    Segment {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the offset.
        cause: WalError,
    },
    /// Its records do not follow from those before.
    #[error("{}: {cause}", path.display())]
    Replay {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        cause: ReplayError,
    },
}

/// A log as its directory holds it.
#[derive(Debug)]
pub struct Opened {
    /// To append to.
    pub wal: Wal,
    /// The records, added up: `LogReplay::finish` wants the snapshot.
    pub replay: LogReplay,
}

/// Reads all segments, and cuts a torn tail off durably.
pub async fn open(disk: &Arc<dyn Disk>, config: WalConfig) -> Result<Opened, OpenError> {
    let numbers = numbers(&**disk, &config).await?;
    // The newest segment's name may come from a rename whose sync failed; what is appended to it must not go with it.
    disk.sync_dir(&config.dir).await.doing("sync", &config.dir)?;
    let mut replay = LogReplay::new();
    let mut segments = VecDeque::new();
    let mut highest_index = 0;
    let mut newest: Option<Newest> = None;
    for (place, number) in numbers.iter().enumerate() {
        let path = segment_path(&config.dir, *number);
        let bytes = Bytes::from(read_all(&**disk, &path).await?);
        let expected = ExpectedSegment {
            cluster: config.cluster,
            member: config.member,
            incarnation: config.incarnation,
            number: *number,
            previous: newest.as_ref().map(|before| before.chain.checksum()),
        };
        let is_last = place + 1 == numbers.len();
        let contents = wal::read_segment(bytes.clone(), &expected, is_last)
            .map_err(|cause| OpenError::Segment { path: path.clone(), cause })?;
        let does_not_fit = |cause| OpenError::Replay { path: path.clone(), cause };
        replay.begin_segment(&contents.header).map_err(does_not_fit)?;
        highest_index = highest_index.max(contents.header.tail.last_index);
        newest = Some(Newest::of(&bytes, &contents));
        for record in contents.records {
            highest_index = highest_index.max(last_index(&record));
            replay.push(record).map_err(does_not_fit)?;
        }
        if let Some(problem) = &contents.torn {
            tracing::warn!(file = %path.display(), offset = contents.end_offset, problem, "cutting a torn tail");
        }
        segments.push_back(Segment { number: *number, highest_index });
        tokio::task::yield_now().await;
    }
    let newest = newest.ok_or_else(|| OpenError::Empty { dir: config.dir.clone() })?;
    let number = segments.back().expect("there is a newest").number;
    let path = segment_path(&config.dir, number);
    let file = disk.open(&path).await.doing("open", &path)?;
    // What was read may not be durable: the crash can have been this process's alone, or the sync failed that was to
    // make it so. After the second a sync proves nothing, as the cache holds the bytes and takes them for written:
    // so they are written again, with zeros in place of what is torn. They count as durable from here on.
    if !newest.doubtful.is_empty() {
        file.write_at(newest.synced_bytes, newest.doubtful).await.doing("write", &path)?;
    }
    file.sync_data().await.doing("sync", &path)?;
    file.done_reading().await.doing("let go of", &path)?;
    let tail = replay.tail();
    let wal = Wal { disk: Arc::clone(disk), config, segments, path, file, chain: newest.chain, tail };
    Ok(Opened { wal, replay })
}

/// The segment that is appended to.
struct Newest {
    chain: Chain,
    synced_bytes: u64,
    /// What is to be in the file from `synced_bytes` on, as far as that is not certain.
    doubtful: Vec<u8>,
}

impl Newest {
    fn of(bytes: &Bytes, contents: &SegmentContents) -> Newest {
        let place = |offset| usize::try_from(offset).expect("an offset in a buffer");
        let (synced, end) = (place(contents.synced_bytes), place(contents.end_offset));
        let mut doubtful = bytes[synced..end].to_vec();
        if contents.torn.is_some() {
            doubtful.resize(bytes.len() - synced, 0);
        }
        Newest { chain: contents.chain, synced_bytes: contents.synced_bytes, doubtful }
    }
}

fn last_index(record: &LogRecord) -> u64 {
    match record {
        LogRecord::Append { entries, .. } => entries.last().map_or(0, |entry| entry.index),
        LogRecord::Installed { meta, .. } => meta.index,
    }
}

/// The segments' numbers, ascending, none missing in between. Removes one that was never finished.
async fn numbers(disk: &dyn Disk, config: &WalConfig) -> Result<Vec<u64>, OpenError> {
    let names = disk.list(&config.dir).await.doing("list", &config.dir)?;
    for name in names.iter().filter(|name| name.ends_with(".tmp")) {
        let path = config.dir.join(name);
        disk.remove(&path).await.doing("remove", &path)?;
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
