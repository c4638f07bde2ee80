//! etcd's snapshot files from a disk: any bytes are refused, or are a state that comes back as it is.

use crate::draw::Draw;
use crate::split;
use crate::txn_parse::ready_member;
use detcd_engine::bbolt::{PAGE_BYTES, Reader, meta_pages};
use detcd_engine::etcd_file::{Contents, Export, Release};
use detcd_engine::membership::InitialCluster;
use detcd_engine::state::State;
use std::sync::OnceLock;

/// Numbers at which codecs and additions change their minds.
const EDGES: [u64; 8] = [0, 1, 2, 3, u64::MAX, 1 << 63, (1 << 32) - 1, 0xffff];

/// A file as it is; or a member's own with pages and fields changed, its metas put right again.
pub fn run(input: &[u8]) {
    let (as_it_is, body) = split(input);
    if as_it_is {
        return read(body);
    }
    let mut draw = Draw::new(body);
    let mut pages = own_file()[2 * PAGE_BYTES..].to_vec();
    for _ in 0..=draw.below(4) {
        change(&mut pages, &mut draw);
    }
    let count = 2 + (pages.len() / PAGE_BYTES) as u64;
    // The root page is the last one, unless that is what was changed.
    let root = if draw.below(8) == 0 { draw.below(20) as u64 } else { count.saturating_sub(1) };
    read(&[meta_pages(root, count), pages].concat());
}

/// What a member sends to whoever asks it for a snapshot.
fn own_file() -> &'static [u8] {
    static OWN: OnceLock<Vec<u8>> = OnceLock::new();
    OWN.get_or_init(|| {
        let member = ready_member();
        write(member.engine(0).expect("it runs").state())
    })
}

fn write(state: &State) -> Vec<u8> {
    let release = Release { cluster_version: "3.7.0", storage_version: "3.7.0" };
    let mut export = Export::new(state.view(), release);
    while export.measure().is_none() {}
    let mut file = Vec::new();
    while let Some(piece) = export.next_piece(PAGE_BYTES) {
        file.extend(piece);
    }
    file
}

fn change(pages: &mut Vec<u8>, draw: &mut Draw<'_>) {
    // Most of a page is what it is filled up with: what stands at its beginning says more.
    let page = draw.below((pages.len() / PAGE_BYTES).max(1)) * PAGE_BYTES;
    let reach = if draw.below(4) == 0 { PAGE_BYTES } else { 200 };
    let at = page + draw.below(reach);
    match draw.below(7) {
        0 | 1 => {
            let (number, width) = (EDGES[draw.below(EDGES.len())].to_le_bytes(), [2, 4, 8][draw.below(3)]);
            if let Some(field) = pages.get_mut(at..at + width) {
                field.copy_from_slice(&number[..width]);
            }
        }
        2..=4 => {
            if let Some(byte) = pages.get_mut(at) {
                *byte = draw.byte();
            }
        }
        5 => {
            let other = draw.below((pages.len() / PAGE_BYTES).max(1)) * PAGE_BYTES;
            if page + PAGE_BYTES <= pages.len() && other + PAGE_BYTES <= pages.len() {
                pages.copy_within(page..page + PAGE_BYTES, other);
            }
        }
        _ => pages.truncate(at),
    }
}

/// What is accepted is written and read again as the same state.
fn read(file: &[u8]) {
    let cluster = InitialCluster::new("token", [vec!["http://a:2380".to_owned()]]);
    let state = |file: &[u8]| {
        let mut reader = Reader::open(file, file.len() as u64).ok()?;
        Contents::read(&mut reader).ok()?.into_state(&cluster).ok()
    };
    if let Some(first) = state(file) {
        let second = state(&write(&first)).expect("what was written of a state can be read");
        assert_eq!(second.hash(), first.hash());
    }
}
