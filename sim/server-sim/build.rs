//! The same .proto files as server/build.rs, with the simulated tonic's services around the same messages; and a copy
//! of server/src with the seeded bugs and the probes of `engine-sim`.

use detcd_source_edits::{copy, read_bugs, read_probes};
use prost::Message;
use std::path::{Path, PathBuf};

const PROTO: &str = "../../server/proto";
const FILES: [&str; 2] = ["detcd/peer.proto", "etcd/api/etcdserverpb/rpc.proto"];
const BUGS: &str = "../engine-sim/bugs";
const PROBES: &str = "../engine-sim/probes";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for path in [PROTO, BUGS, PROBES, "../../server/src", "build.rs"] {
        println!("cargo:rerun-if-changed={path}");
    }
    let out_dir = PathBuf::from(std::env::var("OUT_DIR")?);
    let entries = [read_bugs(Path::new(BUGS))?, read_probes(Path::new(PROBES))?].concat();
    copy(Path::new("../.."), "server/src", &out_dir.join("src"), &entries)?;
    let mut files = protox::compile(FILES, [PROTO])?;
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
