//! How gRPC frames a message: five bytes in front of it say whether it is compressed and how long it is.

use bytes::{BufMut, Bytes, BytesMut};
use detcd::wire::RangeAnswer;
use prost::Message;

/// In front of each message: a flag that it is compressed, and its length as a big-endian `u32`.
pub(crate) const PREFIX_BYTES: usize = 5;

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
    pub(crate) fn whole(message: &impl Message) -> Framed {
        let length = message.encoded_len();
        let mut framed = prefix(length, length);
        message.encode(&mut framed).expect("the buffer grows");
        Framed { first: framed.freeze(), rest: None }
    }

    /// Of an answer that may be large.
    pub(crate) fn in_pieces(mut answer: RangeAnswer) -> Framed {
        let length = answer.encoded_len();
        let mut framed = prefix(length, length.min(RangeAnswer::PIECE_BYTES));
        answer.next_piece(&mut framed);
        let is_whole = framed.len() == PREFIX_BYTES + length;
        Framed { first: framed.freeze(), rest: (!is_whole).then(|| Box::new(answer)) }
    }
}

/// A buffer with the prefix of a message: not compressed, and its length.
fn prefix(length: usize, capacity: usize) -> BytesMut {
    let mut framed = BytesMut::with_capacity(PREFIX_BYTES + capacity);
    framed.put_u8(0);
    framed.put_u32(u32::try_from(length).expect("an answer is below 4 GiB"));
    framed
}
