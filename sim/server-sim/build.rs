//! The same .proto files as server/build.rs, with the simulated tonic's services around the same messages; and a copy
//! of server/src with the seeded bugs, the probes and the sizes of `engine-sim`.

use detcd_source_edits::{copy, read_all};
use prost::Message;
use std::path::{Path, PathBuf};

const PROTO: &str = "../../server/proto";
const FILES: [&str; 2] = ["detcd/peer.proto", "etcd/api/etcdserverpb/rpc.proto"];
/// Where the edits are.
const TWIN: &str = "../engine-sim";
/// As there.
const ENCODED_TXN: &str = ".etcdserverpb.EncodedTxn";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for path in [PROTO, "../../server/src", "build.rs"] {
        println!("cargo:rerun-if-changed={path}");
    }
    for dir in ["bugs", "probes", "sizes"] {
        println!("cargo:rerun-if-changed={TWIN}/{dir}");
    }
    let out_dir = PathBuf::from(std::env::var("OUT_DIR")?);
    let [bugs, probes, sizes] = read_all(Path::new(TWIN))?;
    let entries = [bugs, probes, sizes].concat();
    copy(Path::new("../.."), "server/src", &out_dir.join("src"), &entries)?;
    let mut files = protox::compile(FILES, [PROTO])?;
    let described = out_dir.join("etcdserverpb.descriptors");
    for file in &mut files.file {
        file.source_code_info = None;
        for method in file.service.iter_mut().flat_map(|service| &mut service.method) {
            if method.input_type() == ".etcdserverpb.TxnRequest" {
                method.input_type = Some(ENCODED_TXN.to_owned());
            }
        }
    }
    std::fs::write(&described, files.encode_to_vec())?;
    madsim_tonic_build::configure()
        .file_descriptor_set_path(described)
        .skip_protoc_run()
        .bytes(["."])
        .extern_path(".mvccpb.KeyValue", "crate::wire::KeyValue")
        .extern_path(".mvccpb.Event", "crate::wire::Event")
        .extern_path(ENCODED_TXN, "crate::wire::EncodedTxn")
        .compile_protos(&FILES, &[PROTO])?;
    Ok(())
}
