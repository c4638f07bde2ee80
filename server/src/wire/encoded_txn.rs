//! A TxnRequest as it came, to be taken apart level by level.
//!
//! An operation may be two bytes on the wire, and what prost makes of it is 128. Decoded as a whole, a request of a
//! megabyte held a hundred, and only then could anybody count its operations. So the bytes of a request are walked
//! once, as prost would decode them but keeping nothing: from there on they are known to be well formed. Then they are
//! decoded one level of nesting at a time, and a level whose lists are too long is refused before anything is made of
//! what is in them.
//!
//! Smaller messages would not do: a compare is two bytes and 112, and a list of one has room for four.

use crate::pb;
use bytes::{Buf, BufMut, Bytes};
use pb::request_op::Request as WireOp;
use prost::encoding::{DecodeContext, WireType, message, skip_field};
use prost::{DecodeError, Message, Oneof};

/// A request's bytes, which prost can decode: what is nested deeper than prost's 100 levels is refused with the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EncodedTxn(Bytes);

/// One level: its compares and operations, each still encoded.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Level {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub(super) compares: Vec<Bytes>,
    #[prost(bytes = "bytes", repeated, tag = "2")]
    pub(super) success: Vec<Bytes>,
    #[prost(bytes = "bytes", repeated, tag = "3")]
    pub(super) failure: Vec<Bytes>,
}

/// An operation of which a nested transaction is one level.
#[derive(Clone, PartialEq, Oneof)]
pub(super) enum LevelOp {
    #[prost(message, tag = "1")]
    Range(pb::RangeRequest),
    #[prost(message, tag = "2")]
    Put(pb::PutRequest),
    #[prost(message, tag = "3")]
    DeleteRange(pb::DeleteRangeRequest),
    #[prost(message, tag = "4")]
    Txn(Level),
}

#[derive(Clone, PartialEq, Message)]
struct LevelRequestOp {
    #[prost(oneof = "LevelOp", tags = "1, 2, 3, 4")]
    request: Option<LevelOp>,
}

const WALKED: &str = "the walk through the whole request decoded it";

impl EncodedTxn {
    /// The outermost level.
    pub(super) fn level(self) -> Level {
        Level::decode(self.0).expect(WALKED)
    }
}

/// A compare of a level.
pub(super) fn compare(encoded: Bytes) -> pb::Compare {
    pb::Compare::decode(encoded).expect(WALKED)
}

/// An operation of a level, or none if it is of no kind that there is.
pub(super) fn operation(encoded: Bytes) -> Option<LevelOp> {
    LevelRequestOp::decode(encoded).expect(WALKED).request
}

/// What a client makes goes out in the same bytes.
impl From<pb::TxnRequest> for EncodedTxn {
    fn from(request: pb::TxnRequest) -> EncodedTxn {
        EncodedTxn(Bytes::from(request.encode_to_vec()))
    }
}

impl tonic::IntoRequest<EncodedTxn> for pb::TxnRequest {
    fn into_request(self) -> tonic::Request<EncodedTxn> {
        tonic::Request::new(EncodedTxn::from(self))
    }
}

impl Message for EncodedTxn {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        buf.put_slice(&self.0);
    }

    fn encoded_len(&self) -> usize {
        self.0.len()
    }

    /// Takes the whole buffer. To merge two messages is to decode one after the other.
    fn merge(&mut self, mut buf: impl Buf) -> Result<(), DecodeError> {
        let encoded = buf.copy_to_bytes(buf.remaining());
        Walk::Txn.merge(encoded.clone())?;
        self.0 = if self.0.is_empty() { encoded } else { [&self.0[..], &encoded].concat().into() };
        Ok(())
    }

    fn merge_field(
        &mut self,
        _: u32,
        _: WireType,
        _: &mut impl Buf,
        _: DecodeContext,
    ) -> Result<(), DecodeError> {
        unreachable!("no message has this one as a field, and `merge` takes it whole")
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

/// Goes through a message as `pb::TxnRequest` and `pb::RequestOp` do, with their errors, and keeps nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Walk {
    Txn,
    Op,
}

impl Message for Walk {
    fn encode_raw(&self, _: &mut impl BufMut) {}

    fn encoded_len(&self) -> usize {
        0
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        let (within, field, walked) = match (*self, tag) {
            (Walk::Txn, 1) => {
                let walked = message::merge(wire_type, &mut pb::Compare::default(), buf, ctx);
                ("TxnRequest", "compare", walked)
            }
            (Walk::Txn, 2) => ("TxnRequest", "success", message::merge(wire_type, &mut Walk::Op, buf, ctx)),
            (Walk::Txn, 3) => ("TxnRequest", "failure", message::merge(wire_type, &mut Walk::Op, buf, ctx)),
            (Walk::Op, 1..=3) => ("RequestOp", "request", WireOp::merge(&mut None, tag, wire_type, buf, ctx)),
            (Walk::Op, 4) => ("RequestOp", "request", message::merge(wire_type, &mut Walk::Txn, buf, ctx)),
            _ => return skip_field(wire_type, tag, buf, ctx),
        };
        walked.map_err(|mut error| {
            error.push(within, field);
            error
        })
    }

    fn clear(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::encoding::encode_varint;

    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2];
        encode_varint(content.len() as u64, &mut out);
        out.extend_from_slice(content);
        out
    }

    fn nested(depth: usize) -> Vec<u8> {
        (0..depth).fold(Vec::new(), |inner, _| field(2, &field(4, &inner)))
    }

    #[test]
    fn what_prost_refuses_is_refused_in_its_words_and_nothing_else() {
        let put = field(2, &field(2, &field(1, b"k")));
        let table = [
            ("nothing", Vec::new()),
            ("a put", put.clone()),
            ("an unknown field", [put.clone(), field(9, b"?")].concat()),
            ("an operation of an unknown kind", field(3, &field(7, b"?"))),
            (
                "two kinds in one operation",
                field(2, &[field(1, b""), field(4, &put), field(4, &put)].concat()),
            ),
            ("a tag alone", vec![0x12]),
            ("a length beyond the end", vec![0x12, 9, 0]),
            ("a length beyond all", vec![0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
            ("a number for a list", vec![0x10, 1]),
            ("a number for a put", field(3, &[0x10, 1])),
            ("a number for a key", field(1, &[0x18, 1])),
            ("a torn key, one level down", field(2, &field(4, &field(3, &field(2, &[0x0a, 5, b'k']))))),
            ("a field that is none", vec![0x02, 0]),
            ("a group without an end", vec![0x4b]),
            ("as deep as it may be", nested(50)),
            ("deeper", nested(51)),
        ];
        for (what, bytes) in table {
            let whole = pb::TxnRequest::decode(bytes.as_slice()).map(drop);
            assert_eq!(EncodedTxn::decode(bytes.as_slice()).map(drop), whole, "{what}");
        }
        assert!(pb::TxnRequest::decode(nested(50).as_slice()).is_ok(), "the bound is where the table has it");
        assert!(
            pb::TxnRequest::decode(nested(51).as_slice()).is_err(),
            "the bound is where the table has it"
        );
    }

    #[test]
    fn a_merged_message_is_both() {
        let (one, other) = (field(2, &[]), field(1, &field(3, b"k")));
        let mut merged = EncodedTxn::decode(one.as_slice()).unwrap();
        merged.merge(other.as_slice()).unwrap();
        assert_eq!(merged.encode_to_vec(), [one, other].concat());
        merged.clear();
        assert_eq!(merged, EncodedTxn::default());
    }
}
