//! A matching: each of some revisions gets one of its candidates, and no candidate two of them.

use std::collections::{BTreeMap, BTreeSet};

/// One choice each, none twice. Kuhn's algorithm: where all candidates are taken, one of their owners takes
/// another.
///
/// # Errors
/// The place of the first that goes without.
pub(super) fn match_each(choices: &[&[usize]]) -> Result<Vec<usize>, usize> {
    let mut owners: BTreeMap<usize, usize> = BTreeMap::new();
    for place in 0..choices.len() {
        if !find(place, choices, &mut owners, &mut BTreeSet::new()) {
            return Err(place);
        }
    }
    let mut chosen = vec![0; choices.len()];
    for (candidate, owner) in owners {
        chosen[owner] = candidate;
    }
    Ok(chosen)
}

fn find(
    place: usize,
    choices: &[&[usize]],
    owners: &mut BTreeMap<usize, usize>,
    asked: &mut BTreeSet<usize>,
) -> bool {
    for candidate in choices[place] {
        if !asked.insert(*candidate) {
            continue;
        }
        let is_free = match owners.get(candidate).copied() {
            None => true,
            Some(owner) => find(owner, choices, owners, asked),
        };
        if is_free {
            owners.insert(*candidate, place);
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::match_each;

    #[test]
    fn who_can_gives_way() {
        assert_eq!(match_each(&[&[1, 2], &[1]]), Ok(vec![2, 1]));
        assert_eq!(match_each(&[&[1, 2], &[1, 3], &[1]]), Ok(vec![2, 3, 1]));
        assert_eq!(match_each(&[&[1], &[1]]), Err(1));
        assert_eq!(match_each(&[&[], &[1]]), Err(0));
    }
}
