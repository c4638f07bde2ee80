//! Which commands have been applied: a command that was forwarded twice is applied once.
//!
//! A follower sends a command again when it hears no more of it, so the log can hold it twice. Its id says which
//! member made it, in which boot, and a number that only goes up; for each member the numbers of its present
//! boot are remembered in a window that ends at the highest one seen. Below the window everything counts as applied:
//! a command that comes so late is dropped, and its client was told long before that the outcome is unknown.

use crate::codec::{DecodeError, Decoder, Encode};
use crate::ids::{CommandId, MemberId};
use std::collections::BTreeMap;

/// Numbers remembered for each member: 8 KiB. At 20,000 commands a second through one member it reaches three
/// seconds back; a forward is repeated after one election timeout.
const WINDOW: u64 = 65_536;
const WORDS: usize = (WINDOW / 64) as usize;

/// The windows of all members. Replicated: a member that differs in it would apply what others drop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct DedupWindow {
    by_member: BTreeMap<MemberId, MemberWindow>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct MemberWindow {
    boot: u32,
    /// The highest number seen.
    highest: u64,
    /// Bit `number % WINDOW` of each number in `highest - WINDOW + 1 ..= highest` that was applied.
    applied: Box<[u64; WORDS]>,
}

impl DedupWindow {
    /// Whether the command with this id is to be applied; if so, remembers that it was. Number 0 is what members
    /// propose of their own accord, harmless when repeated.
    pub(crate) fn admit(&mut self, id: CommandId) -> bool {
        if id.number == 0 {
            return true;
        }
        let window = self.by_member.entry(id.member).or_insert_with(|| MemberWindow::new(id.boot));
        if id.boot < window.boot {
            return false;
        }
        if id.boot > window.boot {
            *window = MemberWindow::new(id.boot);
        }
        let is_new = window.admit(id.number);
        // I13: whatever came of it, it is not admitted again.
        assert!(window.was_applied(id.number), "command {id:?} was admitted and is forgotten");
        is_new
    }

    /// Whether the command with this id was applied, or comes too late to be.
    pub(crate) fn was_applied(&self, id: CommandId) -> bool {
        let Some(window) = self.by_member.get(&id.member).filter(|_| id.number > 0) else {
            return false;
        };
        id.boot < window.boot || id.boot == window.boot && window.was_applied(id.number)
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.put_u32_field(u32::try_from(self.by_member.len()).expect("a cluster has a few members"));
        for (member, window) in &self.by_member {
            out.put_u64_field(member.0);
            out.put_u32_field(window.boot);
            out.put_u64_field(window.highest);
            for word in window.applied.iter() {
                out.put_u64_field(*word);
            }
        }
    }

    pub(crate) fn decode(from: &mut Decoder) -> Result<DedupWindow, DecodeError> {
        let count = from.count("dedup windows", 20 + WORDS * 8)?;
        let mut by_member = BTreeMap::new();
        for _ in 0..count {
            let member = MemberId(from.u64("window member")?);
            let mut window = MemberWindow::new(from.u32("window boot")?);
            window.highest = from.u64("window highest number")?;
            for word in window.applied.iter_mut() {
                *word = from.u64("window bits")?;
            }
            by_member.insert(member, window);
        }
        Ok(DedupWindow { by_member })
    }
}

impl MemberWindow {
    fn new(boot: u32) -> MemberWindow {
        MemberWindow { boot, highest: 0, applied: Box::new([0; WORDS]) }
    }

    fn admit(&mut self, number: u64) -> bool {
        if self.was_applied(number) {
            return false;
        }
        if number > self.highest {
            self.advance_to(number);
        }
        let (word, bit) = position(number);
        self.applied[word] |= bit;
        true
    }

    fn was_applied(&self, number: u64) -> bool {
        let (word, bit) = position(number);
        number <= self.highest && (self.highest - number >= WINDOW || self.applied[word] & bit != 0)
    }

    /// Forgets the numbers that fall out of the window when it ends at `number`.
    fn advance_to(&mut self, number: u64) {
        if number - self.highest >= WINDOW {
            self.applied.fill(0);
        } else {
            for passed in self.highest + 1..=number {
                let (word, bit) = position(passed);
                self.applied[word] &= !bit;
            }
        }
        self.highest = number;
    }
}

fn position(number: u64) -> (usize, u64) {
    let place = number % WINDOW;
    (usize::try_from(place / 64).expect("below WORDS"), 1 << (place % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(boot: u32, number: u64) -> CommandId {
        CommandId { member: MemberId(1), boot, number }
    }

    #[test]
    fn a_repeated_command_is_admitted_once_in_whatever_order() {
        let mut window = DedupWindow::default();
        for number in [3, 1, 2, 70_000, 69_999, 4_465] {
            assert!(!window.was_applied(id(1, number)), "{number} is not there");
            assert!(window.admit(id(1, number)), "{number} is new");
            assert!(window.was_applied(id(1, number)), "{number} is there");
            assert!(!window.admit(id(1, number)), "{number} is repeated");
        }
    }

    #[test]
    fn what_fell_out_of_the_window_counts_as_applied() {
        let mut window = DedupWindow::default();
        assert!(window.admit(id(1, WINDOW + 10)));
        assert!(window.was_applied(id(1, 10)));
        assert!(!window.admit(id(1, 10)));
        assert!(!window.was_applied(id(1, 11)));
        assert!(window.admit(id(1, 11)));
    }

    #[test]
    fn a_new_boot_forgets_the_old_one_and_refuses_its_stragglers() {
        let mut window = DedupWindow::default();
        assert!(window.admit(id(1, 5)));
        assert!(!window.was_applied(id(2, 5)));
        assert!(window.admit(id(2, 5)));
        assert!(window.was_applied(id(1, 6)));
        assert!(!window.admit(id(1, 6)));
    }

    #[test]
    fn a_far_jump_forgets_everything_below() {
        let mut window = DedupWindow::default();
        assert!(window.admit(id(1, 1)));
        assert!(window.admit(id(1, 1 + 3 * WINDOW)));
        assert!(!window.admit(id(1, 1)));
        assert!(window.admit(id(1, 3 * WINDOW)));
    }

    #[test]
    fn numbers_at_the_end_of_numbers_are_told_apart() {
        let mut window = DedupWindow::default();
        assert!(window.admit(id(1, u64::MAX)));
        assert!(window.admit(id(1, u64::MAX - 1)));
        assert!(!window.admit(id(1, u64::MAX - WINDOW)));
    }

    #[test]
    fn a_count_of_what_cannot_follow_is_refused_by_itself() {
        let mut window = DedupWindow::default();
        window.admit(id(1, 1));
        let mut out = Vec::new();
        window.encode(&mut out);
        out.pop();
        assert_eq!(
            DedupWindow::decode(&mut Decoder::new(out.into())).expect_err("cut").what,
            "dedup windows"
        );
    }

    #[test]
    fn it_survives_its_encoding() {
        let mut window = DedupWindow::default();
        for number in [1, 2, 64, 65_535, 65_536, 100_000] {
            window.admit(id(3, number));
        }
        let mut out = Vec::new();
        window.encode(&mut out);
        assert_eq!(DedupWindow::decode(&mut Decoder::new(out.into())), Ok(window));
    }
}
