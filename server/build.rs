//! Compiles the .proto files without protoc: a Rust toolchain is all a user needs.
//!
//! Byte fields become `bytes::Bytes`, so that a decoded key is a slice of the received message. The two messages
//! that are most of the traffic, `mvccpb.KeyValue` and `mvccpb.Event`, are written by hand in src/wire/ and encode
//! straight from the store. What the service's Txn takes is written by hand too: a TxnRequest that is still encoded.
//! Clients make the generated one.

use prost::Message;
use std::path::PathBuf;

/// In no .proto file: on the wire it is a TxnRequest.
const ENCODED_TXN: &str = ".etcdserverpb.EncodedTxn";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let mut files = protox::compile(["detcd/peer.proto", "etcd/api/etcdserverpb/rpc.proto"], ["proto"])?;
    let out_dir = PathBuf::from(std::env::var("OUT_DIR")?);
    let mut described = files.clone();
    // Reflection tells clients what they may call: not what members say to each other.
    described.file.retain(|file| file.package() != "detcd.peer");
    for file in &mut described.file {
        file.source_code_info = None;
    }
    std::fs::write(out_dir.join("etcdserverpb.descriptors"), described.encode_to_vec())?;
    let services = files.file.iter_mut().flat_map(|file| &mut file.service);
    for method in services.flat_map(|service| &mut service.method) {
        if method.input_type() == ".etcdserverpb.TxnRequest" {
            method.input_type = Some(ENCODED_TXN.to_owned());
        }
    }
    tonic_prost_build::configure()
        .bytes(".")
        .extern_path(".mvccpb.KeyValue", "crate::wire::KeyValue")
        .extern_path(".mvccpb.Event", "crate::wire::Event")
        .extern_path(ENCODED_TXN, "crate::wire::EncodedTxn")
        .compile_fds(files)?;
    Ok(())
}
