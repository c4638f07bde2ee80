//! The write-ahead log on disk: segments of a fixed size, appended to by one task, synced once for all that waits.
//!
//! The bytes are `detcd_engine::wal`'s; here is only which file they are in and when they are durable. A segment is
//! made aside, synced, renamed and its directory synced before it is used, and only when the one before it is durable
//! to its end: so a torn tail can only be in the newest.

mod recover;

pub use recover::{OpenError, Opened, open};

use super::{Disk, DiskError, Doing, File};
use detcd_engine::ids::{ClusterId, Incarnation, MemberId};
use detcd_engine::raft::LogRecord;
use detcd_engine::wal::{self, Chain, LogTail, SegmentHeader};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The size of a segment, unless a test wants smaller ones.
pub const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;

/// Where a log is and whose.
#[derive(Clone, Debug)]
pub struct WalConfig {
    /// Its directory.
    pub dir: PathBuf,
    /// Whose log it is.
    pub cluster: ClusterId,
    /// Whose log it is.
    pub member: MemberId,
    /// Whose log it is.
    pub incarnation: Incarnation,
    /// How large a segment is made. A batch that does not fit begins the next one; one that is larger than a
    /// segment makes its own longer.
    pub segment_bytes: u64,
}

/// A log that can be appended to.
#[derive(Debug)]
pub struct Wal {
    disk: Arc<dyn Disk>,
    config: WalConfig,
    /// All on disk, oldest first; the last one is written to.
    segments: VecDeque<Segment>,
    path: PathBuf,
    file: Arc<dyn File>,
    chain: Chain,
    tail: LogTail,
}

#[derive(Clone, Copy, Debug)]
struct Segment {
    number: u64,
    /// The highest index of an entry in this segment or before it, whether or not it was replaced later.
    highest_index: u64,
}

impl Wal {
    /// A new log, with nothing in it.
    pub async fn create(disk: &Arc<dyn Disk>, config: WalConfig) -> Result<Wal, DiskError> {
        let tail = LogTail::default();
        let (path, file, chain) = begin_segment(&**disk, &config, 1, 0, tail).await?;
        let segments = VecDeque::from([Segment { number: 1, highest_index: 0 }]);
        Ok(Wal { disk: Arc::clone(disk), config, segments, path, file, chain, tail })
    }

    /// Appends batches and makes all of them durable at once.
    ///
    /// # Errors
    /// The disk failed. What of it is there nobody knows: the member must end.
    pub async fn append(&mut self, batches: &[Vec<LogRecord>]) -> Result<(), DiskError> {
        let mut bytes = Vec::new();
        let mut start = self.chain.end_offset();
        // All of the segment was durable when the last append ended.
        let mut durable = start;
        for records in batches {
            let (chain_before, length_before) = (self.chain, bytes.len());
            wal::encode_batch(&mut self.chain, records, durable, &mut bytes);
            let is_first = chain_before.end_offset() == self.first_offset();
            if self.chain.end_offset() > self.config.segment_bytes && !is_first {
                bytes.truncate(length_before);
                self.chain = chain_before;
                self.write(start, std::mem::take(&mut bytes)).await?;
                self.rotate().await?;
                start = self.chain.end_offset();
                durable = start;
                wal::encode_batch(&mut self.chain, records, durable, &mut bytes);
            }
            for record in records {
                self.tail.note(record);
            }
            let newest = self.segments.back_mut().expect("a log has a segment");
            newest.highest_index = newest.highest_index.max(self.tail.last_index);
        }
        self.write(start, bytes).await
    }

    /// Removes the segments that hold nothing but entries up to `index`, which a durable snapshot covers.
    pub async fn remove_up_to(&mut self, index: u64) -> Result<(), DiskError> {
        while self.segments.len() > 1 && self.segments[0].highest_index <= index {
            let path = segment_path(&self.config.dir, self.segments[0].number);
            self.disk.remove(&path).await.doing("remove", &path)?;
            // One at a time: of several removals a crash could keep the later ones alone, which looks like a loss.
            self.disk.sync_dir(&self.config.dir).await.doing("sync", &self.config.dir)?;
            self.segments.pop_front();
        }
        Ok(())
    }

    /// How many segments there are.
    pub fn segments(&self) -> usize {
        self.segments.len()
    }

    async fn write(&self, offset: u64, bytes: Vec<u8>) -> Result<(), DiskError> {
        if bytes.is_empty() {
            return Ok(());
        }
        // Both are under way before the first is awaited: one round to the disk thread.
        let written = self.file.write_at(offset, bytes);
        let synced = self.file.sync_data();
        written.await.doing("write", &self.path)?;
        synced.await.doing("sync", &self.path)
    }

    fn first_offset(&self) -> u64 {
        let header = self.header(0, 0);
        wal::encode_header(&header).1.end_offset()
    }

    fn header(&self, number: u64, previous: u32) -> SegmentHeader {
        header(&self.config, number, previous, self.tail)
    }

    async fn rotate(&mut self) -> Result<(), DiskError> {
        let before = *self.segments.back().expect("a log has a segment");
        let number = before.number + 1;
        let (path, file, chain) =
            begin_segment(&*self.disk, &self.config, number, self.chain.checksum(), self.tail).await?;
        (self.path, self.file, self.chain) = (path, file, chain);
        self.segments.push_back(Segment { number, ..before });
        Ok(())
    }
}

fn header(config: &WalConfig, number: u64, previous: u32, tail: LogTail) -> SegmentHeader {
    let WalConfig { cluster, member, incarnation, .. } = *config;
    SegmentHeader { cluster, member, incarnation, number, previous, tail }
}

async fn begin_segment(
    disk: &dyn Disk,
    config: &WalConfig,
    number: u64,
    previous: u32,
    tail: LogTail,
) -> Result<(PathBuf, Arc<dyn File>, Chain), DiskError> {
    let aside = config.dir.join("next.wal.tmp");
    let path = segment_path(&config.dir, number);
    let (bytes, chain) = wal::encode_header(&header(config, number, previous, tail));
    let file = disk.create(&aside).await.doing("create", &aside)?;
    file.preallocate(config.segment_bytes).await.doing("make room for", &aside)?;
    file.write_at(0, bytes).await.doing("write", &aside)?;
    file.sync_data().await.doing("sync", &aside)?;
    disk.rename(&aside, &path).await.doing("rename into place", &path)?;
    disk.sync_dir(&config.dir).await.doing("sync", &config.dir)?;
    Ok((path, file, chain))
}

fn segment_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:016x}.wal"))
}

fn segment_number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".wal")?;
    if digits.len() != 16 {
        return None;
    }
    u64::from_str_radix(digits, 16).ok()
}
