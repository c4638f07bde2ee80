//! How gRPC frames a message: five bytes in front of it say whether it is compressed and how long it is.

use bytes::{BufMut, Bytes, BytesMut};
use detcd::wire::RangeAnswer;
use prost::Message;
use tonic::Status;

/// In front of each message: a flag that it is compressed, and its length as a big-endian `u32`.
pub(crate) const PREFIX_BYTES: usize = 5;

/// The largest message that is sent, in bytes: etcd's, whose clients take no larger ones either.
const SENT_BYTES_MAX: usize = i32::MAX as usize;

/// An answer's message behind its prefix.
#[derive(Debug)]
pub(crate) struct Framed {
    /// Its beginning; most often all of it.
    pub(crate) first: Bytes,
    /// What follows.
    pub(crate) rest: Option<Box<RangeAnswer>>,
}

impl Framed {
    /// Of a message in memory.
    ///
    /// # Errors
    /// It is larger than any that is sent.
    pub(crate) fn whole(message: &impl Message) -> Result<Framed, Status> {
        let length = message.encoded_len();
        let mut framed = prefix(length, length)?;
        message.encode(&mut framed).expect("the buffer grows");
        Ok(Framed { first: framed.freeze(), rest: None })
    }

    /// How long the message is, without its prefix.
    pub(crate) fn message_bytes(&self) -> usize {
        let length = self.first.get(1..PREFIX_BYTES).and_then(|length| length.try_into().ok());
        length.map_or(0, |length| u32::from_be_bytes(length) as usize)
    }

    /// Of an answer that may be large.
    ///
    /// # Errors
    /// As `whole`.
    pub(crate) fn in_pieces(mut answer: RangeAnswer) -> Result<Framed, Status> {
        let length = answer.encoded_len();
        let mut framed = prefix(length, length.min(RangeAnswer::PIECE_BYTES))?;
        answer.next_piece(&mut framed);
        let is_whole = framed.len() == PREFIX_BYTES + length;
        Ok(Framed { first: framed.freeze(), rest: (!is_whole).then(|| Box::new(answer)) })
    }
}

/// A buffer with the prefix of a message: not compressed, and its length.
fn prefix(length: usize, capacity: usize) -> Result<BytesMut, Status> {
    let fits = u32::try_from(length).ok().filter(|_| length <= SENT_BYTES_MAX);
    let Some(prefix) = fits else {
        let text = format!("grpc: trying to send message larger than max ({length} vs. {SENT_BYTES_MAX})");
        return Err(Status::resource_exhausted(text));
    };
    let mut framed = BytesMut::with_capacity(PREFIX_BYTES + capacity);
    framed.put_u8(0);
    framed.put_u32(prefix);
    Ok(framed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_sent_up_to_two_gibibytes() {
        assert_eq!(prefix(SENT_BYTES_MAX, 0).unwrap()[..], [0, 0x7f, 0xff, 0xff, 0xff]);
        for length in [SENT_BYTES_MAX + 1, usize::MAX] {
            let refusal = prefix(length, 0).unwrap_err();
            assert_eq!(refusal.code(), tonic::Code::ResourceExhausted);
            let text = format!("grpc: trying to send message larger than max ({length} vs. 2147483647)");
            assert_eq!(refusal.message(), text);
        }
    }
}
