//! The same .proto files as server/build.rs, with the simulated tonic's services around the same messages.

use prost::Message;
use std::path::PathBuf;

const PROTO: &str = "../../server/proto";
const FILES: [&str; 2] = ["detcd/peer.proto", "etcd/api/etcdserverpb/rpc.proto"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed={PROTO}");
    let mut files = protox::compile(FILES, [PROTO])?;
    let out_dir = PathBuf::from(std::env::var("OUT_DIR")?);
    let described = out_dir.join("etcdserverpb.descriptors");
    for file in &mut files.file {
        file.source_code_info = None;
    }
    std::fs::write(&described, files.encode_to_vec())?;
    madsim_tonic_build::configure()
        .file_descriptor_set_path(described)
        .skip_protoc_run()
        .bytes(["."])
        .extern_path(".mvccpb.KeyValue", "crate::wire::KeyValue")
        .extern_path(".mvccpb.Event", "crate::wire::Event")
        .compile_protos(&FILES, &[PROTO])?;
    Ok(())
}
