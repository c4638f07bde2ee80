//! The calls, as data: name, path, and the shapes of request and answer.
//!
//! Messages are handled by their descriptors and not as Rust types. So one piece of code sends every call, prints
//! and parses every message, compares every field (also one that detcd's own definitions do not know), and
//! simplifies every request.

use bytes::Bytes;
use detcd::pb;
use http::uri::PathAndQuery;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, MethodDescriptor};
use std::sync::LazyLock;

static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(pb::DESCRIPTORS).expect("compiled by the server's build"));

/// One method of etcd's API.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rpc(MethodDescriptor);

impl Rpc {
    /// The method of this name, whichever service has it: no two share one.
    pub(crate) fn named(name: &str) -> Option<Rpc> {
        let mut methods = POOL.services().flat_map(|service| service.methods().collect::<Vec<_>>());
        methods.find(|method| method.name() == name).map(Rpc)
    }

    /// Its name without the service's.
    pub(crate) fn name(&self) -> &str {
        self.0.name()
    }

    /// Where it is called.
    pub(crate) fn path(&self) -> PathAndQuery {
        let path = format!("/{}/{}", self.0.parent_service().full_name(), self.0.name());
        PathAndQuery::try_from(path).expect("names of services and methods need no escapes")
    }

    /// The shape of what is asked.
    pub(crate) fn input(&self) -> MessageDescriptor {
        self.0.input()
    }

    /// The shape of the answer.
    pub(crate) fn output(&self) -> MessageDescriptor {
        self.0.output()
    }

    /// A request that was made as a Rust type.
    pub(crate) fn request(&self, typed: &impl Message) -> DynamicMessage {
        let bytes = Bytes::from(typed.encode_to_vec());
        DynamicMessage::decode(self.input(), bytes).expect("the same definition, encoded just now")
    }

    /// Whether the call leaves everything as it was, so that many of them may be under way at once.
    pub(crate) fn only_reads(&self) -> bool {
        matches!(
            self.name(),
            "Range" | "LeaseTimeToLive" | "LeaseLeases" | "MemberList" | "Status" | "HashKV"
        )
    }

    /// Whether requests go over a stream.
    pub(crate) fn is_stream(&self) -> bool {
        self.0.is_client_streaming()
    }
}
