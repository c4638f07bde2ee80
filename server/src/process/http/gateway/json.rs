//! Messages as JSON, by their descriptors, as protobuf's mapping says and etcd chooses: names as in the .proto files, what
//! is zero or empty left out, 64-bit numbers as text. Names in camel case, nulls and unknown fields are taken.

use detcd::pb;
use prost_reflect::{
    DescriptorPool, DeserializeOptions, DynamicMessage, MessageDescriptor, MethodDescriptor, SerializeOptions,
};
use tonic::Status;

/// All messages and services that clients know.
#[derive(Debug)]
pub(super) struct Described(DescriptorPool);

impl Described {
    pub(super) fn of_all() -> Described {
        Described(DescriptorPool::decode(pb::DESCRIPTORS).expect("our own descriptors are well formed"))
    }

    /// All of them, by name.
    #[cfg(test)]
    pub(super) fn methods(&self) -> Vec<String> {
        let of_service = |service: prost_reflect::ServiceDescriptor| {
            let name = service.full_name().to_owned();
            service.methods().map(move |method| format!("{name}/{}", method.name())).collect::<Vec<_>>()
        };
        self.0.services().flat_map(of_service).collect()
    }

    /// `package.Service/Method`.
    pub(super) fn method(&self, name: &str) -> MethodDescriptor {
        let (service, method) = name.split_once('/').expect("a service and a method");
        let service = self.0.get_service_by_name(service).expect("a service that is described");
        service.methods().find(|described| described.name() == method).expect("a method that is described")
    }
}

/// A message from text.
pub(super) fn message(described: MessageDescriptor, text: &[u8]) -> Result<DynamicMessage, Status> {
    let options = DeserializeOptions::new().deny_unknown_fields(false);
    let mut reader = serde_json::Deserializer::from_slice(text);
    DynamicMessage::deserialize_with_options(described, &mut reader, &options)
        .map_err(|error| Status::invalid_argument(error.to_string()))
}

/// A message as text.
pub(super) fn text(message: &DynamicMessage) -> String {
    let options = SerializeOptions::new().use_proto_field_name(true);
    let mut text = Vec::new();
    let mut writer = serde_json::Serializer::new(&mut text);
    message.serialize_with_options(&mut writer, &options).expect("a message that was decoded can be written");
    String::from_utf8(text).expect("JSON is UTF-8")
}
