//! Messages that a client compressed, and answers compressed for it: `grpc-encoding: gzip`.

use crate::process::framed::PREFIX_BYTES;
use bytes::{BufMut, Bytes, BytesMut};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use std::io::{Read, Write};
use tonic::Status;

/// Between two looks at how large a message has become.
const PIECE_BYTES: usize = 16 * 1024;

/// Inflates a message. One that grows beyond `bytes_max` is refused there and then: a few kilobytes can stand for
/// gigabytes.
pub(super) fn inflate(message: &[u8], bytes_max: usize) -> Result<Vec<u8>, Status> {
    let mut decoder = GzDecoder::new(message);
    let mut inflated = Vec::new();
    let mut piece = [0; PIECE_BYTES];
    loop {
        match decoder.read(&mut piece) {
            Ok(0) => return Ok(inflated),
            Ok(length) if inflated.len() + length > bytes_max => {
                return Err(Status::resource_exhausted(format!(
                    "grpc: received message after decompression larger than max {bytes_max}"
                )));
            }
            Ok(length) => inflated.extend_from_slice(&piece[..length]),
            Err(error) => {
                return Err(Status::internal(format!("grpc: failed to decompress the message: {error}")));
            }
        }
    }
}

/// Compresses each message of `framed`, which holds whole ones, each behind its prefix.
pub(super) fn deflate_each(mut framed: Bytes) -> Bytes {
    let mut out = BytesMut::with_capacity(framed.len() / 2 + 64);
    while framed.len() >= PREFIX_BYTES {
        let prefix = framed.split_to(PREFIX_BYTES);
        let length = u32::from_be_bytes(prefix[1..].try_into().expect("four bytes")) as usize;
        assert!(length <= framed.len(), "an answer's message of {length} bytes is cut at {}", framed.len());
        let message = framed.split_to(length);
        let mut encoder = GzEncoder::new(Vec::with_capacity(length / 2 + 64), Compression::fast());
        encoder.write_all(&message).expect("memory takes everything");
        let deflated = encoder.finish().expect("memory takes everything");
        out.put_u8(1);
        out.put_u32(u32::try_from(deflated.len()).expect("a message is below 4 GiB"));
        out.put_slice(&deflated);
    }
    assert!(framed.is_empty(), "an answer's prefix is cut");
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deflate(message: &[u8]) -> Vec<u8> {
        let mut framed = vec![0];
        framed.extend((message.len() as u32).to_be_bytes());
        framed.extend(message);
        deflate_each(framed.into())[PREFIX_BYTES..].to_vec()
    }

    #[test]
    fn what_was_deflated_inflates_to_the_limit_and_not_beyond() {
        let deflated = deflate(&[7; 100_000]);
        assert_eq!(inflate(&deflated, 100_000).unwrap(), [7; 100_000]);
        let refusal = inflate(&deflated, 99_999).unwrap_err();
        assert_eq!(refusal.code(), tonic::Code::ResourceExhausted);
        assert_eq!(refusal.message(), "grpc: received message after decompression larger than max 99999");
    }

    #[test]
    fn what_is_no_gzip_is_refused() {
        for damaged in [b"garbage".as_slice(), b"", &deflate(b"abc")[..10]] {
            let refusal = inflate(damaged, 100).unwrap_err();
            assert_eq!(refusal.code(), tonic::Code::Internal, "{damaged:?}");
            assert!(refusal.message().starts_with("grpc: failed to decompress the message: "));
        }
    }

    #[test]
    fn each_message_keeps_its_own_prefix() {
        let both = Bytes::from_static(b"\0\0\0\0\x01a\0\0\0\0\0");
        let deflated = deflate_each(both);
        assert_eq!(deflated[0], 1);
        let first = u32::from_be_bytes(deflated[1..5].try_into().unwrap()) as usize;
        assert_eq!(inflate(&deflated[5..5 + first], 10).unwrap(), b"a");
        assert_eq!(inflate(&deflated[5 + first + 5..], 10).unwrap(), b"");
    }
}
