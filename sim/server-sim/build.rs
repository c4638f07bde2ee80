//! The same .proto files as server/build.rs, with the simulated tonic's services around the same messages; and a copy
//! of server/src with the seeded bugs, the probes and the sizes of `engine-sim`.

#[path = "../../server/build/encoded_txn.rs"]
mod encoded_txn;
#[path = "../../server/build/files.rs"]
mod files;

use detcd_source_edits::{copy, read_all};
use encoded_txn::{ENCODED_TXN, take_encoded_txns};
use files::FILES;
use prost::Message;
use std::path::{Path, PathBuf};

const PROTO: &str = "../../server/proto";
/// Where the edits are.
const TWIN: &str = "../engine-sim";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for path in [PROTO, "../../server/src", "../engine-sim/edits", "build.rs"] {
        println!("cargo:rerun-if-changed={path}");
    }
    let out_dir = PathBuf::from(std::env::var("OUT_DIR")?);
    copy(Path::new("../.."), "server/src", &out_dir.join("src"), &read_all(Path::new(TWIN))?)?;
    let mut files = protox::compile(FILES, [PROTO])?;
    let described = out_dir.join("etcdserverpb.descriptors");
    for file in &mut files.file {
        file.source_code_info = None;
    }
    take_encoded_txns(&mut files);
    std::fs::write(&described, files.encode_to_vec())?;
    madsim_tonic_build::configure()
        .file_descriptor_set_path(described)
        // It would name the files relative to this package, where they are not: a build for every call of cargo.
        .emit_rerun_if_changed(false)
        .skip_protoc_run()
        .bytes(["."])
        .extern_path(".mvccpb.KeyValue", "crate::wire::KeyValue")
        .extern_path(".mvccpb.Event", "crate::wire::Event")
        .extern_path(ENCODED_TXN, "crate::wire::EncodedTxn")
        .compile_protos(&FILES, &[PROTO])?;
    Ok(())
}
