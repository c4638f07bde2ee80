//! Numbers and booleans as Go reads them: `0x10`, `1_000` and `T` stand in operators' manifests because Go took them.

/// A whole number: decimal, or with `0x`, `0o`, `0` or `0b` before it, and underscores between digits.
pub(super) fn number(text: &str) -> Option<i128> {
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = match lower.split_at_checked(2) {
        Some(("0x", rest)) => (16, rest),
        Some(("0o", rest)) => (8, rest),
        Some(("0b", rest)) => (2, rest),
        _ if lower.len() > 1 && lower.starts_with('0') => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    let has_prefix = digits.len() < lower.len();
    let grouped: Vec<&str> = digits.split('_').collect();
    // Underscores stand between digits, or between the prefix and one.
    let is_odd =
        |(at, part): (usize, &&str)| part.is_empty() && (at > 0 || !has_prefix || grouped.len() == 1);
    if grouped.iter().enumerate().any(is_odd) {
        return None;
    }
    let digits = grouped.concat();
    if !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    let number = i128::from_str_radix(&digits, radix).ok()?;
    Some(if is_negative { -number } else { number })
}

/// `true` or `false` as `strconv.ParseBool` has them.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}
