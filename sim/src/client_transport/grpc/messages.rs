//! What is done to every message: its metadata, and its encoding, which madsim-tonic leaves out.

use prost::Message;
use tonic::metadata::MetadataValue;

/// A request with its metadata.
pub(super) fn with_metadata<T>(message: T, require_leader: bool) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    if require_leader {
        request.metadata_mut().insert("hasleader", MetadataValue::from_static("true"));
    }
    request
}

/// A message, encoded and decoded.
pub(super) fn encoded_and_decoded<M: Message + Default>(message: M) -> M {
    M::decode(message.encode_to_vec().as_slice()).expect("what was just encoded")
}
