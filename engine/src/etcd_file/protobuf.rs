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
            put_varint(self, u64::from(number) << 3 | BYTES);
            put_varint(self, value.len() as u64);
            self.extend_from_slice(value);
        }
    }
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_as_go_writes_it() {
        let mut out = Vec::new();
        out.put_length_field(1, b"a");
        out.put_varint_field(2, 0);
        out.put_varint_field(3, 300);
        out.put_varint_field(4, (-1_i64).cast_unsigned());
        let negative = [0xff; 9];
        assert_eq!(out, [&b"\x0a\x01a\x18\xac\x02\x20"[..], &negative, &[1]].concat());
    }
}
