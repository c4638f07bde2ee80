//! Single protobuf fields, as Go's marshaller writes them: in ascending order of their numbers, those at their default
//! left out.

/// What a field holds, by its first bytes.
const VARINT: u64 = 0;
const BYTES: u64 = 2;

/// Appends fields to a buffer.
pub(super) trait PutField {
    /// An integer; negative ones are given as two's complement.
    fn put_varint_field(&mut self, number: u32, value: u64);
    /// A `bytes` or a `string`.
    fn put_length_field(&mut self, number: u32, value: &[u8]);
    /// A message that is there, with nothing in it or not.
    fn put_message_field(&mut self, number: u32, encoded: &[u8]);
}

impl PutField for Vec<u8> {
    fn put_varint_field(&mut self, number: u32, value: u64) {
        if value != 0 {
            put_varint(self, u64::from(number) << 3 | VARINT);
            put_varint(self, value);
        }
    }

    fn put_length_field(&mut self, number: u32, value: &[u8]) {
        if !value.is_empty() {
            self.put_message_field(number, value);
        }
    }

    fn put_message_field(&mut self, number: u32, encoded: &[u8]) {
        put_varint(self, u64::from(number) << 3 | BYTES);
        put_varint(self, encoded.len() as u64);
        self.extend_from_slice(encoded);
    }
}

/// Bytes that `put_varint_field` writes. Field numbers here are below 16: their first byte is one.
pub(super) fn varint_field_bytes(value: u64) -> usize {
    if value == 0 { 0 } else { 1 + varint_bytes(value) }
}

/// Bytes that `put_length_field` writes for so many of content.
pub(super) fn length_field_bytes(length: usize) -> usize {
    if length == 0 { 0 } else { 1 + varint_bytes(length as u64) + length }
}

fn varint_bytes(value: u64) -> usize {
    let bits = 64 - (value | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A field that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field<'a> {
    pub(super) number: u64,
    pub(super) value: Value<'a>,
}

/// What a field holds; those of a fixed width are of no message here, and passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    Fixed,
}

/// The fields of a message, one after the other.
#[derive(Debug)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field.ok_or_else(|| "not a protobuf message".to_owned()))
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Option<Field<'a>> {
        let tag = self.varint()?;
        let value = match tag & 7 {
            VARINT => Value::Varint(self.varint()?),
            BYTES => {
                let length = usize::try_from(self.varint()?).ok()?;
                Value::Bytes(self.take(length)?)
            }
            1 => self.take(8).map(|_| Value::Fixed)?,
            5 => self.take(4).map(|_| Value::Fixed)?,
            _ => return None,
        };
        Some(Field { number: tag >> 3, value })
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.take(1)?.first()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_as_long_as_is_said() {
        for value in [0, 1, 127, 128, 16383, 16384, u64::from(u32::MAX), u64::MAX] {
            let mut out = Vec::new();
            out.put_varint_field(3, value);
            assert_eq!(out.len(), varint_field_bytes(value), "{value}");
        }
        for length in [0, 1, 127, 128, 20000] {
            let mut out = Vec::new();
            out.put_length_field(5, &vec![7; length]);
            assert_eq!(out.len(), length_field_bytes(length), "{length}");
        }
    }

    #[test]
    fn a_message_as_go_writes_it() {
        let mut out = Vec::new();
        out.put_length_field(1, b"a");
        out.put_varint_field(2, 0);
        out.put_varint_field(3, 300);
        out.put_varint_field(4, (-1_i64).cast_unsigned());
        let negative = [0xff; 9];
        assert_eq!(out, [&b"\x0a\x01a\x18\xac\x02\x20"[..], &negative, &[1]].concat());
        let read: Result<Vec<Field>, String> = Fields(&out).collect();
        let field = |number, value| Field { number, value };
        let expected = vec![
            field(1, Value::Bytes(b"a")),
            field(3, Value::Varint(300)),
            field(4, Value::Varint(u64::MAX)),
        ];
        assert_eq!(read, Ok(expected));
    }

    #[test]
    fn what_is_cut_off_is_no_message() {
        for bytes in [
            &b"\x0a"[..],
            b"\x0a\x05ab",
            b"\x18\x80",
            b"\x0b",
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        ] {
            assert!(Fields(bytes).any(|field| field.is_err()), "{bytes:?}");
        }
    }
}
