use super::*;
use prost_types::FileDescriptorSet;
use std::collections::BTreeMap;

type Listed = BTreeMap<String, BTreeMap<String, &'static str>>;

/// The services of descriptors, with their methods, and what those read and answer.
fn described(descriptors: &[u8]) -> Listed {
    let files = FileDescriptorSet::decode(descriptors).unwrap();
    let mut found = Listed::new();
    for file in &files.file {
        for service in &file.service {
            let methods = service.method.iter();
            let kind = |reads_stream, answers_stream| match (reads_stream, answers_stream) {
                (false, false) => "unary",
                (false, true) => "server_stream",
                (true, false) => "client_stream",
                (true, true) => "bidi_stream",
            };
            let methods = methods.map(|method| {
                (method.name().to_owned(), kind(method.client_streaming(), method.server_streaming()))
            });
            found.insert(format!("{}.{}", file.package(), service.name()), methods.collect());
        }
    }
    found
}

fn listed(methods: Methods, prefix: &str) -> Listed {
    let ours = methods.iter().filter(|(service, _)| service.starts_with(prefix));
    ours.map(|(service, methods)| {
        let methods = methods.iter().map(|(name, method)| (name.to_string(), method.kind()));
        (service.to_string(), methods.collect())
    })
    .collect()
}

#[test]
fn every_method_that_is_described_is_listed_as_what_it_is_and_no_other() {
    let etcd = ["etcdserverpb.", "v3lockpb.", "v3electionpb."];
    let etcd: Listed = etcd.iter().flat_map(|prefix| listed(CLIENT_METHODS, prefix)).collect();
    assert_eq!(etcd, described(pb::DESCRIPTORS));
    assert_eq!(listed(CLIENT_METHODS, "grpc.health."), described(tonic_health::pb::FILE_DESCRIPTOR_SET));
    for version in ["v1", "v1alpha"] {
        let descriptors = match version {
            "v1" => tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
            _ => tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
        };
        assert_eq!(listed(CLIENT_METHODS, &format!("grpc.reflection.{version}.")), described(descriptors));
    }
}

#[test]
fn what_is_not_built_is_named() {
    const METHODS: Methods = &[("a.B", &[("C", Unary), ("D", Streaming)])];
    let services = Services {
        methods: METHODS,
        direct: None,
        routes: Routes::default(),
        message_bytes_max: 0,
        metrics: counted_methods(METHODS, &CallMetrics::new(&Registry::new(), false)),
    };
    let refusal = |path: &str| {
        let found = services.find(path);
        found.map(|found| found.method).map_err(|status| status.message().to_owned())
    };
    assert_eq!(refusal("/a.B/C"), Ok(Unary));
    assert_eq!(refusal("/a.B/D"), Ok(Streaming));
    assert_eq!(refusal("/a.B/X"), Err("unknown method X for service a.B".to_owned()));
    assert_eq!(refusal("/a.B/C?x=y"), Err("unknown method C?x=y for service a.B".to_owned()));
    assert_eq!(refusal("/f.G/X"), Err("unknown service f.G".to_owned()));
    assert_eq!(refusal("/"), Err("malformed method name: \"/\"".to_owned()));
    assert_eq!(refusal("/x"), Err("malformed method name: \"/x\"".to_owned()));
}

#[test]
fn reflection_describes_what_is_served() {
    assert!(reflection().build_v1().is_ok() && reflection().build_v1alpha().is_ok());
}
