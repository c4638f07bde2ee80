//! Keys and values: the same for the same options, so that one run can read what another one filled.

use crate::options::Options;
use bytes::Bytes;

/// Before every key. 16 bytes; the number of the key follows as 16 hexadecimal digits.
const PREFIX: &str = "/registry/bench/";
/// The first key after all keys with the prefix.
const PREFIX_END: &str = "/registry/bench0";

/// A small generator of numbers that are random enough (SplitMix64).
#[derive(Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// The key space, and random values for it.
#[derive(Clone)]
pub(crate) struct Keys {
    keys: u64,
    key_size: usize,
    value_size: usize,
    /// Values are slices of this: random bytes are dear to make and must not be compressible.
    noise: Bytes,
}

impl Keys {
    pub(crate) fn new(options: &Options) -> Keys {
        let mut random = Random::new(1);
        let len = (options.value_size * 2).max(1 << 16);
        let noise: Vec<u8> =
            std::iter::repeat_with(|| random.next().to_le_bytes()).take(len / 8 + 1).flatten().collect();
        let Options { keys, key_size, value_size, .. } = *options;
        Keys { keys, key_size, value_size, noise: noise.into() }
    }

    pub(crate) fn len(&self) -> u64 {
        self.keys
    }

    /// Key number `n`. Neighbours in number are far apart in order, as names are in real key spaces.
    pub(crate) fn key(&self, n: u64) -> Bytes {
        let scattered = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        format!("{PREFIX}{scattered:016x}{:k<1$}", "", self.key_size.saturating_sub(PREFIX.len() + 16)).into()
    }

    pub(crate) fn any(&self, random: &mut Random) -> Bytes {
        self.key(random.next() % self.keys)
    }

    pub(crate) fn value(&self, random: &mut Random) -> Bytes {
        let room = self.noise.len() - self.value_size;
        let start = usize::try_from(random.next()).expect("64-bit machine") % (room + 1);
        self.noise.slice(start..start + self.value_size)
    }

    /// The range of all keys.
    pub(crate) fn all() -> (Bytes, Bytes) {
        (Bytes::from_static(PREFIX.as_bytes()), Bytes::from_static(PREFIX_END.as_bytes()))
    }
}
