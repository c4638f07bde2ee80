//! Over real sockets, with a KV service of the test's own: the limits stand in front of any service.

use super::*;
use crate::wire::EncodedTxn;
use bytes::Bytes;
use pb::kv_client::KvClient;
use pb::kv_server::{Kv, KvServer};
use tonic::{Code, Request, Response, Status};

struct Echo;

#[tonic::async_trait]
impl Kv for Echo {
    async fn range(&self, _: Request<pb::RangeRequest>) -> Result<Response<pb::RangeResponse>, Status> {
        Ok(Response::new(Default::default()))
    }
    async fn put(&self, _: Request<pb::PutRequest>) -> Result<Response<pb::PutResponse>, Status> {
        Ok(Response::new(Default::default()))
    }
    async fn delete_range(
        &self,
        _: Request<pb::DeleteRangeRequest>,
    ) -> Result<Response<pb::DeleteRangeResponse>, Status> {
        Ok(Response::new(Default::default()))
    }
    async fn txn(&self, _: Request<EncodedTxn>) -> Result<Response<pb::TxnResponse>, Status> {
        Ok(Response::new(Default::default()))
    }
    async fn compact(
        &self,
        _: Request<pb::CompactionRequest>,
    ) -> Result<Response<pb::CompactionResponse>, Status> {
        Ok(Response::new(Default::default()))
    }
}

async fn server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = Server::builder()
        .layer(Gate::new(&[("etcdserverpb.KV", &["Put"])]))
        .layer(SizeLimit::of_requests(1_572_864))
        .add_service(KvServer::new(Echo).max_decoding_message_size(usize::MAX))
        .serve_with_incoming(incoming(listener));
    tokio::spawn(serving);
    url
}

fn put_of(value_bytes: usize) -> pb::PutRequest {
    pb::PutRequest { key: "k".into(), value: Bytes::from(vec![b'v'; value_bytes]), ..Default::default() }
}

#[tokio::test]
async fn a_message_too_large_is_refused_in_etcds_words() {
    let mut client = KvClient::connect(server().await).await.unwrap();
    // 3 bytes of key, 4 of the value's tag and length: exactly 2 MiB, then one more.
    let whole = 2_097_152;
    client.put(put_of(whole - 7)).await.unwrap();
    let refusal = client.put(put_of(whole - 6)).await.unwrap_err();
    assert_eq!(refusal.code(), Code::ResourceExhausted);
    assert_eq!(refusal.message(), "grpc: received message larger than max (2097153 vs. 2097152)");
}

#[tokio::test]
async fn a_method_that_is_not_built_is_named() {
    let mut client = KvClient::connect(server().await).await.unwrap();
    let refusal = client.range(pb::RangeRequest::default()).await.unwrap_err();
    assert_eq!(refusal.code(), Code::Unimplemented);
    assert_eq!(refusal.message(), "unknown method Range for service etcdserverpb.KV");
}

#[tokio::test]
async fn a_port_in_use_is_named_with_its_flag() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}", taken.local_addr().unwrap())).unwrap();
    let error = bind("listen-client-urls", std::slice::from_ref(&url)).await.unwrap_err().to_string();
    assert!(
        error.starts_with(&format!("--listen-client-urls: listen tcp {}: bind: ", url.address())),
        "{error}"
    );
}

#[test]
fn every_method_of_our_services_passes_the_gate_and_no_other() {
    use prost::Message;
    let files = prost_types::FileDescriptorSet::decode(pb::DESCRIPTORS).unwrap();
    let mut described = Vec::new();
    for file in &files.file {
        for service in &file.service {
            let methods = service.method.iter().map(|method| method.name().to_owned()).collect::<Vec<_>>();
            described.push((format!("{}.{}", file.package(), service.name()), methods));
        }
    }
    let listed: Vec<(String, Vec<String>)> = METHODS
        .iter()
        .filter(|(_, methods)| !methods.is_empty())
        .map(|(service, methods)| (service.to_string(), methods.iter().map(ToString::to_string).collect()))
        .map(|(service, mut methods): (String, Vec<String>)| {
            methods.sort();
            (service, methods)
        })
        .collect();
    for (_, methods) in &mut described {
        methods.sort();
    }
    assert_eq!(listed, described);
}

#[test]
fn reflection_describes_what_is_served() {
    assert!(reflection().build_v1().is_ok() && reflection().build_v1alpha().is_ok());
}
