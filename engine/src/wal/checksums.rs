//! The checksum of any stretch of a buffer, without reading all of the stretch.
//!
//! Behind damage a record may begin anywhere, and clients choose what stands in a log: a value can be full of what
//! looks like the beginnings of long records. To read each of them to its end would cost the square of the tail's
//! length: hours for a segment. A CRC is linear, so what the bytes up to `from` contributed can be taken out of the
//! checksum of the bytes up to `to` again: moved on by as many zeros, it is a plain xor.

/// A checksum is kept for so many bytes: less than this much is read for each stretch, at either end.
const BLOCK_BYTES: usize = 256;

/// The 32 columns of what a number of zero bytes does to a CRC.
type Zeros = [u32; 32];

/// Of the bytes of a buffer.
pub(super) struct Checksums {
    bytes: Vec<u8>,
    /// Of the bytes up to the beginning of each block.
    prefixes: Vec<u32>,
    /// For 1, 2, 4, 8... zero bytes.
    zeros: Vec<Zeros>,
}

impl Checksums {
    /// Reads everything once.
    pub(super) fn new(bytes: Vec<u8>) -> Checksums {
        let mut prefixes = vec![0];
        for block in bytes.chunks_exact(BLOCK_BYTES) {
            let before = *prefixes.last().expect("the first one at least");
            prefixes.push(crc32c::crc32c_append(before, block));
        }
        let one: Zeros = std::array::from_fn(|bit| crc32c::crc32c_combine(1 << bit, 0, 1));
        let twice = |zeros: &Zeros| Some(zeros.map(|column| through(zeros, column)));
        let zeros = std::iter::successors(Some(one), twice).take(usize::BITS as usize).collect();
        Checksums { bytes, prefixes, zeros }
    }

    /// What `crc32c_append(crc, &bytes[from..to])` is.
    pub(super) fn append(&self, crc: u32, from: usize, to: usize) -> u32 {
        let mut moved = crc ^ self.up_to(from);
        let length = to - from;
        for (bit, zeros) in self.zeros.iter().enumerate() {
            if length >> bit & 1 == 1 {
                moved = through(zeros, moved);
            }
        }
        moved ^ self.up_to(to)
    }

    fn up_to(&self, at: usize) -> u32 {
        let block = at / BLOCK_BYTES;
        crc32c::crc32c_append(self.prefixes[block], &self.bytes[block * BLOCK_BYTES..at])
    }
}

fn through(zeros: &Zeros, crc: u32) -> u32 {
    let taken = zeros.iter().enumerate().filter(|(bit, _)| crc >> bit & 1 == 1);
    taken.fold(0, |sum, (_, column)| sum ^ column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stretch_has_the_checksum_of_its_bytes() {
        let bytes: Vec<u8> = (0..3000_u32).map(|at| (at * 7 + at / 256) as u8).collect();
        let checksums = Checksums::new(bytes.clone());
        for from in (0..bytes.len()).step_by(97) {
            for to in (from..=bytes.len()).step_by(101).chain([bytes.len()]) {
                let expected = crc32c::crc32c_append(0xdead_beef, &bytes[from..to]);
                assert_eq!(checksums.append(0xdead_beef, from, to), expected, "{from} to {to}");
            }
        }
    }
}
