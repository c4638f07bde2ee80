//! Commands and entries from a peer or a disk: any bytes are refused, or are exactly what their value is written as.
//!
//! That a value has one form matters: members compare what they hold by hashes of bytes.

use crate::draw::Draw;
use crate::split;
use bytes::{Bytes, BytesMut};
use detcd::wire::{kv, txn};
use detcd_engine::command::{Caller, Command, EntryBuilder, Proposal, decode, decode_entry, encode};
use detcd_engine::ids::{CommandId, Grant, Incarnation, LeaseId, MemberId};
use detcd_engine::membership::MemberAttributes;
use detcd_engine::request::{Alarm, AlarmKind};

/// A command as it is, the same as an entry; or a command that is made up and comes back as it was.
pub fn run(input: &[u8]) {
    let (as_it_is, body) = split(input);
    if as_it_is {
        let bytes = Bytes::copy_from_slice(body);
        if let Ok(proposal) = decode(bytes.clone()) {
            assert!(form(&proposal) == bytes, "another form of {proposal:?}");
        }
        if let Ok(proposals) = decode_entry(bytes.clone())
            && !proposals.is_empty()
        {
            let mut entry = EntryBuilder::with_capacity(bytes.len());
            proposals.iter().for_each(|proposal| entry.push(&form(proposal)));
            assert!(entry.finish() == bytes, "another form of {} commands", proposals.len());
        }
        return;
    }
    let mut draw = Draw::new(body);
    while !draw.is_empty() {
        if let Some(command) = command(&mut draw) {
            let id = CommandId {
                member: MemberId(draw.unsigned()),
                boot: draw.unsigned() as u32,
                number: draw.unsigned(),
            };
            let caller = if draw.flag() { Caller::Member } else { Caller::Anonymous };
            let proposal = Proposal { id, caller, command };
            assert_eq!(decode(form(&proposal)).as_ref(), Ok(&proposal), "a command survives its bytes");
        }
    }
}

fn form(proposal: &Proposal) -> Bytes {
    encode(&mut BytesMut::new(), proposal)
}

/// A command as a member makes one, where the choices allow.
pub(crate) fn command(draw: &mut Draw<'_>) -> Option<Command> {
    let grant = |draw: &mut Draw<'_>| Grant { lease: LeaseId(draw.lease()), number: draw.unsigned() };
    Some(match draw.below(11) {
        0 => Command::Put(kv::put_request(draw.put_request()).ok()?),
        1 => Command::DeleteRange(kv::delete_range_request(draw.delete_request()).ok()?),
        2 => Command::Txn(txn::txn_request(draw.txn_request(5), 128).ok()?),
        3 => Command::Compact(draw.number()),
        4 => Command::LeaseGrant {
            id: LeaseId(draw.number() | 1),
            ttl_secs: draw.number().saturating_abs().max(1),
        },
        5 => Command::LeaseRevoke(LeaseId(draw.number())),
        6 => Command::LeaseExpire((0..draw.below(5)).map(|_| grant(draw)).collect()),
        7 => {
            let note = |draw: &mut Draw<'_>| {
                let secs = draw.number().saturating_abs().max(1);
                (grant(draw), draw.flag().then_some(secs))
            };
            Command::LeaseRemaining((0..draw.below(5)).map(|_| note(draw)).collect())
        }
        8 => Command::AlarmActivate(alarm(draw)),
        9 => Command::AlarmDeactivate(alarm(draw)),
        _ => Command::Attributes(MemberAttributes {
            id: MemberId(draw.unsigned()),
            name: String::from_utf8_lossy(&draw.bytes(20)).into_owned(),
            client_urls: (0..draw.below(3)).map(|at| format!("http://m{at}")).collect(),
            incarnation: Incarnation(draw.unsigned()),
        }),
    })
}

fn alarm(draw: &mut Draw<'_>) -> Alarm {
    let kind = if draw.flag() { AlarmKind::NoSpace } else { AlarmKind::Corrupt };
    Alarm { kind, member: MemberId(draw.unsigned()) }
}
