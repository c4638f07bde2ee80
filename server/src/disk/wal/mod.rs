//! The write-ahead log on disk: segments of a fixed size, appended to by one task, synced once for all that waits.
//!
//! The bytes are `detcd_engine::wal`'s; here is only which file they are in and when they are durable. A segment is
//! made under a temporary name, synced, renamed and its directory synced before it is used, and only when the one
//! before it is durable to its end: so a torn tail can only be in the newest. A file has its whole length from the
//! start, which its header says.

mod recover;

pub use recover::{OpenError, Opened, open};

use super::{Context, Disk, DiskError, File};
use detcd_engine::ids::{ClusterId, Incarnation, MemberId};
use detcd_engine::raft::LogRecord;
use detcd_engine::wal::{self, CLOSING_BYTES, Chain, HEADER_BYTES, LogTail, SegmentHeader};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The size of a segment, unless a test wants smaller ones.
pub const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;

/// The file of a segment that is being made.
const UNFINISHED: &str = "next.wal.tmp";

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
    /// How large a segment is made. A batch that does not fit begins the next one; for one that is larger than this,
    /// that is made as large as it needs.
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
    /// How long the file of the newest segment is.
    length: u64,
    chain: Chain,
    /// How much of the newest segment is durable, from its start. Behind that is at most a closing record.
    durable_bytes: u64,
    /// Whether a closing record, or the header, is the last thing in the newest segment.
    is_closed: bool,
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
        let (disk, length) = (Arc::clone(disk), config.segment_bytes);
        let (path, file, chain) =
            begin_segment(&*disk, &config, &header(&config, 1, 0, tail, length)).await?;
        let segments = VecDeque::from([Segment { number: 1, highest_index: 0 }]);
        let durable_bytes = chain.end_offset();
        Ok(Wal { disk, config, segments, path, file, length, chain, durable_bytes, is_closed: true, tail })
    }

    /// Appends batches and makes all of them durable at once.
    ///
    /// # Errors
    /// The disk failed. What of it is there nobody knows: the member must end.
    pub async fn append(&mut self, batches: &[Vec<LogRecord>]) -> Result<(), DiskError> {
        let mut bytes = Vec::new();
        let mut start = self.chain.end_offset();
        for records in batches {
            let (chain_before, length_before) = (self.chain, bytes.len());
            wal::encode_batch(&mut self.chain, records, self.durable_bytes, &mut bytes);
            if self.chain.end_offset() + CLOSING_BYTES > self.length {
                let batch_bytes = (bytes.len() - length_before) as u64;
                bytes.truncate(length_before);
                self.chain = chain_before;
                self.write(start, std::mem::take(&mut bytes)).await?;
                self.rotate(HEADER_BYTES as u64 + batch_bytes + CLOSING_BYTES).await?;
                start = self.chain.end_offset();
                wal::encode_batch(&mut self.chain, records, self.durable_bytes, &mut bytes);
            }
            for record in records {
                self.tail.note(record);
            }
            let newest = self.segments.back_mut().expect("a log has a segment");
            newest.highest_index = newest.highest_index.max(self.tail.last_index);
        }
        self.write(start, bytes).await
    }

    /// Writes behind the last batch that it is durable, unless that is written already: with that, its damage is told
    /// from a torn write. To be called when nothing waits to be appended, which would say the same. Not synced: nobody
    /// waits for it, and until the operating system has written it, the batch is as good as without it.
    ///
    /// # Errors
    /// The disk failed: the member must end.
    pub async fn close_batch(&mut self) -> Result<(), DiskError> {
        if self.is_closed {
            return Ok(());
        }
        let (offset, mut bytes) = (self.chain.end_offset(), Vec::new());
        wal::encode_closing(&mut self.chain, &mut bytes);
        assert!(self.chain.end_offset() <= self.length, "every batch leaves room for a closing record");
        self.is_closed = true;
        self.file.write_at(offset, bytes).await.context("write", &self.path)
    }

    /// As `close_batch`, durably: nothing will be appended.
    ///
    /// # Errors
    /// The disk failed.
    pub async fn finish(mut self) -> Result<(), DiskError> {
        self.close_batch().await?;
        self.file.sync_data().await.context("sync", &self.path)
    }

    /// Removes the segments that hold nothing but entries up to `index`, which a durable snapshot covers.
    pub async fn remove_up_to(&mut self, index: u64) -> Result<(), DiskError> {
        while self.segments.len() > 1 && self.segments[0].highest_index <= index {
            let path = segment_path(&self.config.dir, self.segments[0].number);
            self.disk.remove(&path).await.context("remove", &path)?;
            // One at a time: of several removals a crash could keep the later ones alone, which looks like a loss.
            self.disk.sync_dir(&self.config.dir).await.context("sync", &self.config.dir)?;
            self.segments.pop_front();
        }
        Ok(())
    }

    /// How many segments there are.
    pub fn segments(&self) -> usize {
        self.segments.len()
    }

    async fn write(&mut self, offset: u64, bytes: Vec<u8>) -> Result<(), DiskError> {
        if bytes.is_empty() {
            return Ok(());
        }
        let end = offset + bytes.len() as u64;
        // Both are in flight before the first is awaited: one round to the disk thread.
        let written = self.file.write_at(offset, bytes);
        let synced = self.file.sync_data();
        written.await.context("write", &self.path)?;
        synced.await.context("sync", &self.path)?;
        (self.durable_bytes, self.is_closed) = (end, false);
        Ok(())
    }

    /// The next segment, for a first batch that needs so many bytes in all.
    async fn rotate(&mut self, bytes_min: u64) -> Result<(), DiskError> {
        // A closing record: the next segment's header carries its checksum.
        if self.durable_bytes < self.chain.end_offset() {
            self.file.sync_data().await.context("sync", &self.path)?;
        }
        let before = *self.segments.back().expect("a log has a segment");
        let number = before.number + 1;
        self.length = self.config.segment_bytes.max(bytes_min);
        let header = header(&self.config, number, self.chain.checksum(), self.tail, self.length);
        (self.path, self.file, self.chain) = begin_segment(&*self.disk, &self.config, &header).await?;
        (self.durable_bytes, self.is_closed) = (self.chain.end_offset(), true);
        self.segments.push_back(Segment { number, ..before });
        Ok(())
    }
}

fn header(
    config: &WalConfig,
    number: u64,
    previous: u32,
    tail: LogTail,
    segment_bytes: u64,
) -> SegmentHeader {
    let WalConfig { cluster, member, incarnation, .. } = *config;
    SegmentHeader { cluster, member, incarnation, number, previous, tail, segment_bytes }
}

async fn begin_segment(
    disk: &dyn Disk,
    config: &WalConfig,
    header: &SegmentHeader,
) -> Result<(PathBuf, Arc<dyn File>, Chain), DiskError> {
    let tmp = config.dir.join(UNFINISHED);
    let path = segment_path(&config.dir, header.number);
    let (bytes, chain) = wal::encode_header(header);
    let file = disk.create(&tmp).await.context("create", &tmp)?;
    file.preallocate(header.segment_bytes).await.context("make room for", &tmp)?;
    file.write_at(0, bytes).await.context("write", &tmp)?;
    file.sync_data().await.context("sync", &tmp)?;
    disk.rename(&tmp, &path).await.context("rename into place", &path)?;
    disk.sync_dir(&config.dir).await.context("sync", &config.dir)?;
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
