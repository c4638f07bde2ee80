//! What was meant by a name that nothing has.

/// Longer names are compared with nothing: the work grows with the square of the length.
const NAME_BYTES_MAX: usize = 64;

/// The one of `names` that differs in the fewest letters, where that is a third of them at most.
pub(super) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > NAME_BYTES_MAX {
        return None;
    }
    let close = names.map(|known| (distance(name.as_bytes(), known.as_bytes()), known));
    let (distance, known) = close.min()?;
    (distance * 3 <= name.len().max(known.len())).then_some(known)
}

/// Letters to put in, take out or replace.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
