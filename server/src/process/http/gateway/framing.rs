//! The messages of an answer, taken out of their frames of gRPC.

use crate::process::framed::PREFIX_BYTES;
use bytes::{Buf, Bytes, BytesMut};
use http::Response;
use http_body_util::BodyExt;
use prost_reflect::{DynamicMessage, MessageDescriptor};
use tonic::body::Body;
use tonic::{Code, Status};

/// The messages of a service's answer.
#[derive(Debug)]
pub(super) struct Unframe {
    body: Body,
    described: MessageDescriptor,
    read: BytesMut,
    /// Once it has come.
    status: Option<Status>,
}

impl Unframe {
    pub(super) fn new(response: Response<Body>, described: MessageDescriptor) -> Unframe {
        let (head, body) = response.into_parts();
        Unframe { body, described, read: BytesMut::new(), status: Status::from_header_map(&head.headers) }
    }

    /// The next message; `None` at an end in order.
    pub(super) async fn next(&mut self) -> Result<Option<DynamicMessage>, Status> {
        loop {
            if let Some(message) = self.take() {
                let decoded = DynamicMessage::decode(self.described.clone(), message);
                return decoded.map(Some).map_err(|error| Status::internal(error.to_string()));
            }
            let Some(frame) = self.body.frame().await else {
                return match self.status.take() {
                    Some(status) if status.code() != Code::Ok => Err(status),
                    _ => Ok(None),
                };
            };
            match frame?.into_data() {
                Ok(data) => self.read.extend_from_slice(&data),
                Err(frame) => {
                    self.status = frame.into_trailers().ok().as_ref().and_then(Status::from_header_map)
                }
            }
        }
    }

    /// What follows the one message of a unary answer: its status.
    pub(super) async fn end(&mut self) -> Result<(), Status> {
        match self.next().await? {
            None => Ok(()),
            Some(_) => Err(Status::internal("more than one answer")),
        }
    }

    fn take(&mut self) -> Option<Bytes> {
        let length = self.read.get(1..PREFIX_BYTES)?.get_u32() as usize;
        if self.read.len() < PREFIX_BYTES + length {
            return None;
        }
        let mut framed = self.read.split_to(PREFIX_BYTES + length);
        framed.advance(PREFIX_BYTES);
        Some(framed.freeze())
    }
}
