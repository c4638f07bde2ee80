//! The content of a file, sector by sector: as reads return it, and as it may be after a power failure.

use crate::random::Stream;
use std::collections::BTreeMap;

/// What a disk writes whole or not at all.
pub(super) const SECTOR: usize = 512;

/// One file.
#[derive(Clone, Debug, Default)]
pub(super) struct Image {
    /// What reads see.
    live: Vec<u8>,
    /// What is certain after a crash.
    durable: Vec<u8>,
    /// Of each sector written since the last sync, what it held after each write, with the write's number: any of
    /// them may be what a crash leaves.
    pending: BTreeMap<usize, Vec<(u64, Vec<u8>)>>,
    writes: u64,
    /// Of the writes since the last sync that were not of zeros, where the first one began: each of them implies that
    /// what lies before is durable. `None` where there were none.
    unsynced_from: Option<usize>,
    /// Where the furthest write that was not of zeros ended.
    used: usize,
    /// Something durable implies that all before this is durable.
    proved: usize,
}

impl Image {
    pub(super) fn length(&self) -> usize {
        self.live.len()
    }

    pub(super) fn read(&self, offset: usize, length: usize) -> Vec<u8> {
        let end = self.live.len().min(offset.saturating_add(length));
        self.live.get(offset..end).unwrap_or_default().to_vec()
    }

    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        if end > self.live.len() {
            self.live.resize(end, 0);
        }
        self.live[offset..end].copy_from_slice(bytes);
        self.writes += 1;
        if bytes.iter().any(|byte| *byte != 0) {
            self.unsynced_from = Some(self.unsynced_from.map_or(offset, |from| from.min(offset)));
            self.used = self.used.max(end);
        }
        for sector in offset / SECTOR..end.div_ceil(SECTOR) {
            let held = self.live[sector * SECTOR..self.live.len().min((sector + 1) * SECTOR)].to_vec();
            self.pending.entry(sector).or_default().push((self.writes, held));
        }
    }

    pub(super) fn extend(&mut self, length: usize) {
        self.live.resize(self.live.len().max(length), 0);
    }

    /// Where a sync that begins now stands: it makes durable what was written before, not what comes meanwhile.
    pub(super) fn begin_sync(&self) -> SyncPoint {
        SyncPoint { writes: self.writes, length: self.live.len(), unsynced_from: self.unsynced_from }
    }

    pub(super) fn finish_sync(&mut self, point: SyncPoint) {
        self.durable.resize(self.durable.len().max(point.length), 0);
        self.proved = self.proved.max(point.unsynced_from.unwrap_or(0));
        if self.writes == point.writes {
            self.unsynced_from = None;
        }
        for (sector, versions) in &mut self.pending {
            let covered = versions.iter().take_while(|(write, _)| *write <= point.writes).count();
            if let Some((_, held)) = versions.drain(..covered).next_back() {
                put(&mut self.durable, *sector, &held);
            }
        }
        self.pending.retain(|_, versions| !versions.is_empty());
    }

    /// The sync failed: of what it was to cover some is durable, and the rest never will be, though it is read back.
    pub(super) fn fail_sync(&mut self, point: SyncPoint, stream: &mut Stream) {
        for (sector, versions) in &mut self.pending {
            let covered = versions.iter().take_while(|(write, _)| *write <= point.writes).count();
            if let Some((_, held)) = versions.drain(..covered).next_back()
                && stream.happens(500_000)
            {
                put(&mut self.durable, *sector, &held);
            }
        }
        self.pending.retain(|_, versions| !versions.is_empty());
    }

    /// Everything before this is durable, and something durable implies it. The cache is written out first, as happens
    /// some time after each write.
    pub(super) fn proved(&mut self) -> usize {
        for (sector, versions) in std::mem::take(&mut self.pending) {
            let (_, held) = versions.last().expect("a sector is pending with what was written");
            put(&mut self.durable, sector, held);
        }
        // What a failed sync dropped is not written later.
        if let Some(from) = self.unsynced_from
            && self.durable.get(..self.used) == self.live.get(..self.used)
        {
            self.proved = self.proved.max(from);
        }
        self.proved
    }

    /// How many bytes hold something, all of them durable; 0 where that is not so.
    pub(super) fn settled(&self) -> usize {
        if self.pending.is_empty() && self.durable == self.live { self.used } else { 0 }
    }

    /// Other bytes, on the disk and in the cache. Whether they are others.
    pub(super) fn overwrite(&mut self, offset: usize, bytes: &[u8]) -> bool {
        let range = offset..offset + bytes.len();
        if self.durable.len() < range.end || self.live[range.clone()] == *bytes {
            return false;
        }
        self.live[range.clone()].copy_from_slice(bytes);
        self.durable[range].copy_from_slice(bytes);
        true
    }

    /// The power fails: every unsynced sector is as one of its writes left it, or as if there had been none; the
    /// length is the old or the new one.
    pub(super) fn lose_power(&mut self, stream: &mut Stream, survival: Survival) {
        let mut found = std::mem::take(&mut self.durable);
        let grew = self.live.len() > found.len();
        if grew && survival.keeps(stream) {
            found.resize(self.live.len(), 0);
        }
        for (sector, versions) in std::mem::take(&mut self.pending) {
            if survival.keeps(stream) {
                let (_, held) = &versions[stream.index(versions.len())];
                let length = found.len();
                put(&mut found, sector, held);
                // A sector beyond the length that survived belongs to no file.
                found.truncate(length);
            }
        }
        self.live.clone_from(&found);
        self.durable = found;
        self.used = self.used.min(self.live.len());
        self.unsynced_from = None;
    }

    /// What is behind this place is gone, on the disk and in the cache. Whether there was anything.
    pub(super) fn cut(&mut self, length: usize) -> bool {
        let is_shorter = length < self.durable.len();
        self.durable.truncate(length);
        self.live.truncate(length);
        self.used = self.used.min(length);
        self.proved = self.proved.min(length);
        self.unsynced_from = self.unsynced_from.filter(|from| *from < length);
        self.pending.clear();
        is_shorter
    }
}

fn put(bytes: &mut Vec<u8>, sector: usize, held: &[u8]) {
    let (start, end) = (sector * SECTOR, sector * SECTOR + held.len());
    if end > bytes.len() {
        bytes.resize(end, 0);
    }
    bytes[start..end].copy_from_slice(held);
}

/// How far a sync reaches.
#[derive(Clone, Copy, Debug)]
pub(super) struct SyncPoint {
    writes: u64,
    length: usize,
    unsynced_from: Option<usize>,
}

/// What one crash does to everything unsynced.
#[derive(Clone, Copy, Debug)]
pub(super) enum Survival {
    /// The whole cache was written out just before.
    All,
    /// Nothing was.
    Nothing,
    /// Each change for itself, this many in a million.
    Some(u32),
}

impl Survival {
    pub(super) fn draw(stream: &mut Stream) -> Survival {
        match stream.within(0..4) {
            0 => Survival::All,
            1 => Survival::Nothing,
            _ => Survival::Some(u32::try_from(stream.within(50_000..950_000)).expect("below a million")),
        }
    }

    pub(super) fn keeps(self, stream: &mut Stream) -> bool {
        match self {
            Survival::All => true,
            Survival::Nothing => false,
            Survival::Some(per_million) => stream.happens(per_million),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Seed;

    fn crash(image: &mut Image, survival: Survival) {
        image.lose_power(&mut Seed(1).stream("crash"), survival);
    }

    #[test]
    fn what_was_synced_survives_and_the_rest_may_not() {
        let mut image = Image::default();
        image.write(0, b"kept");
        image.finish_sync(image.begin_sync());
        image.write(0, b"lost");
        image.write(600, b"beyond");
        crash(&mut image, Survival::Nothing);
        assert_eq!(image.read(0, 1000), b"kept");
    }

    #[test]
    fn a_sync_does_not_cover_what_was_written_while_it_ran() {
        let mut image = Image::default();
        image.write(0, b"old");
        let point = image.begin_sync();
        image.write(0, b"new");
        image.finish_sync(point);
        assert_eq!(image.read(0, 3), b"new");
        crash(&mut image, Survival::Nothing);
        assert_eq!(image.read(0, 3), b"old");
    }

    #[test]
    fn a_sync_that_failed_is_not_made_good_by_the_next() {
        for seed in 0..20 {
            let mut image = Image::default();
            image.write(0, &[1; SECTOR]);
            image.finish_sync(image.begin_sync());
            image.write(0, &[2; SECTOR]);
            image.fail_sync(image.begin_sync(), &mut Seed(seed).stream("fails"));
            assert_eq!(image.read(0, 1), [2]);
            image.finish_sync(image.begin_sync());
            let kept = image.durable[0];
            crash(&mut image, Survival::All);
            assert_eq!(image.read(0, 1), [kept], "what a crash leaves was decided when the sync failed");
        }
    }

    #[test]
    fn later_sectors_survive_where_earlier_ones_do_not() {
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..50 {
            let mut image = Image::default();
            image.extend(2 * SECTOR);
            image.finish_sync(image.begin_sync());
            image.write(0, &[1; 2 * SECTOR]);
            image.lose_power(&mut Seed(seed).stream("crash"), Survival::Some(500_000));
            let found = image.read(0, 2 * SECTOR);
            assert!(found[..SECTOR].iter().all(|byte| *byte == found[0]), "a sector is torn");
            seen.insert((found[0], found[SECTOR]));
        }
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [(0, 0), (0, 1), (1, 0), (1, 1)]);
    }
}
