//! Compiles the .proto files without protoc: a Rust toolchain is all a user needs.
//!
//! Byte fields become `bytes::Bytes`, so that a decoded key is a slice of the received message. The two messages
//! that are most of the traffic, `mvccpb.KeyValue` and `mvccpb.Event`, are written by hand in src/wire/ and encode
//! straight from the store. What the service's Txn takes is written by hand too: a TxnRequest that is still encoded.
//! Clients make the generated one.

#[path = "build/encoded_txn.rs"]
mod encoded_txn;
#[path = "build/files.rs"]
mod files;

use encoded_txn::{ENCODED_TXN, take_encoded_txns};
use prost::Message;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let mut files = protox::compile(files::FILES, ["proto"])?;
    let out_dir = PathBuf::from(std::env::var("OUT_DIR")?);
    let mut described = files.clone();
    // Reflection tells clients what they may call: not what members say to each other.
    described.file.retain(|file| file.package() != "detcd.peer");
    for file in &mut described.file {
        file.source_code_info = None;
    }
    std::fs::write(out_dir.join("etcdserverpb.descriptors"), described.encode_to_vec())?;
    take_encoded_txns(&mut files);
    tonic_prost_build::configure()
        .bytes(".")
        .extern_path(".mvccpb.KeyValue", "crate::wire::KeyValue")
        .extern_path(".mvccpb.Event", "crate::wire::Event")
        .extern_path(ENCODED_TXN, "crate::wire::EncodedTxn")
        .compile_fds(files)?;
    Ok(())
}
