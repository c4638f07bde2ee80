//! The two halves of every byte layout of ours: write a field, read a field or say what is wrong.
//!
//! Integers are little-endian and fixed in width, byte strings are a `u32` length and the bytes. Fixed widths cost
//! a few bytes an entry and buy layouts that can be drawn in docs/data-format.md and read in a hex dump. A reader
//! never trusts a length: it is compared with what is there before anything is allocated.

use bytes::{BufMut, Bytes};

/// Bytes that are not what their layout says. `what` names the field, for the operator who reads the message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {problem} (at byte {at})")]
pub struct DecodeError {
    /// The field that was being read.
    pub what: &'static str,
    /// What was found instead.
    pub problem: String,
    /// Offset from the start of the decoded bytes.
    pub at: usize,
}

/// Appends fields to a buffer.
pub trait Encode {
    /// One byte.
    fn put_u8_field(&mut self, value: u8);
    /// Four bytes, little-endian.
    fn put_u32_field(&mut self, value: u32);
    /// Eight bytes, little-endian.
    fn put_u64_field(&mut self, value: u64);
    /// Eight bytes, little-endian, two's complement.
    fn put_i64_field(&mut self, value: i64);
    /// A `u32` length, then the bytes. Panics above 4 GiB: nothing that large is ever proposed.
    fn put_bytes_field(&mut self, value: &[u8]);
    /// 0 or 1.
    fn put_bool_field(&mut self, value: bool) {
        self.put_u8_field(u8::from(value));
    }
}

impl<B: BufMut> Encode for B {
    fn put_u8_field(&mut self, value: u8) {
        self.put_u8(value);
    }
    fn put_u32_field(&mut self, value: u32) {
        self.put_u32_le(value);
    }
    fn put_u64_field(&mut self, value: u64) {
        self.put_u64_le(value);
    }
    fn put_i64_field(&mut self, value: i64) {
        self.put_i64_le(value);
    }
    fn put_bytes_field(&mut self, value: &[u8]) {
        let length = u32::try_from(value.len()).expect("a field is far below 4 GiB");
        self.put_u32_field(length);
        self.put_slice(value);
    }
}

/// Reads fields from the front of some bytes. Byte strings come out as slices of the input: whoever keeps one
/// for long must copy it, or it pins the whole input.
#[derive(Clone, Debug)]
pub struct Decoder {
    bytes: Bytes,
    at: usize,
}

impl Decoder {
    /// Reads from the start of `bytes`.
    pub fn new(bytes: Bytes) -> Decoder {
        Decoder { bytes, at: 0 }
    }

    /// How many bytes are left.
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// An error at the current position.
    pub fn error(&self, what: &'static str, problem: impl Into<String>) -> DecodeError {
        DecodeError { what, problem: problem.into(), at: self.at }
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], DecodeError> {
        let Some(found) = self.bytes.get(self.at..self.at + N) else {
            return Err(self.error(what, format!("{N} bytes wanted, {} left", self.remaining())));
        };
        let array = found.try_into().expect("the slice has N bytes");
        self.at += N;
        Ok(array)
    }

    /// One byte.
    pub fn u8(&mut self, what: &'static str) -> Result<u8, DecodeError> {
        Ok(self.array::<1>(what)?[0])
    }

    /// Four bytes, little-endian.
    pub fn u32(&mut self, what: &'static str) -> Result<u32, DecodeError> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    /// Eight bytes, little-endian.
    pub fn u64(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    /// Eight bytes, little-endian, two's complement.
    pub fn i64(&mut self, what: &'static str) -> Result<i64, DecodeError> {
        Ok(i64::from_le_bytes(self.array(what)?))
    }

    /// 0 or 1; anything else is an error, so that every value has one encoding.
    pub fn bool(&mut self, what: &'static str) -> Result<bool, DecodeError> {
        match self.u8(what)? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(self.error(what, format!("0 or 1 wanted, {other} found"))),
        }
    }

    /// A `u32` length and that many bytes, as a slice of the input.
    pub fn bytes(&mut self, what: &'static str) -> Result<Bytes, DecodeError> {
        let length = self.u32(what)? as usize;
        if length > self.remaining() {
            return Err(self.error(what, format!("{length} bytes wanted, {} left", self.remaining())));
        }
        let found = self.bytes.slice(self.at..self.at + length);
        self.at += length;
        Ok(found)
    }

    /// A count of things that each take at least `least_bytes`: refused where the input cannot hold so many, so
    /// that a hostile count allocates nothing.
    pub fn count(&mut self, what: &'static str, least_bytes: usize) -> Result<usize, DecodeError> {
        let count = self.u32(what)? as usize;
        if count.saturating_mul(least_bytes) > self.remaining() {
            return Err(self.error(what, format!("{count} items cannot fit in {} bytes", self.remaining())));
        }
        Ok(count)
    }

    /// UTF-8 text, as `bytes`.
    pub fn text(&mut self, what: &'static str) -> Result<String, DecodeError> {
        let found = self.bytes(what)?;
        String::from_utf8(found.to_vec()).map_err(|_| self.error(what, "not UTF-8"))
    }

    /// Nothing may be left.
    pub fn finish(self, what: &'static str) -> Result<(), DecodeError> {
        match self.remaining() {
            0 => Ok(()),
            left => Err(self.error(what, format!("{left} bytes left over"))),
        }
    }
}
