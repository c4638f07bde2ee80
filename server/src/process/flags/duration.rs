//! Durations as Go writes them: `1h30m`, `1.5h`, `300ms`. Other notations read some of these differently (`m`, `M`),
//! and the operator's manifests were written for Go.

/// Milliseconds in a Go duration, rounded down. `None` where the text is none, is negative or exceeds `u64`.
pub(crate) fn parse_ms(text: &str) -> Option<u64> {
    u64::try_from(parse_nanos(text)? / 1_000_000).ok()
}

/// Nanoseconds in a Go duration. `None` where the text is none, or is negative.
pub(crate) fn parse_nanos(text: &str) -> Option<u128> {
    if text == "0" {
        return Some(0);
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut nanos: u128 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(number_end);
        let unit_end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        nanos = nanos.checked_add(part_nanos(number, unit_nanos(unit)?)?)?;
        rest = after;
    }
    Some(nanos)
}

fn unit_nanos(unit: &str) -> Option<u128> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

fn part_nanos(number: &str, unit: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') || fraction.len() > 18 {
        return None;
    }
    let whole: u128 = if whole.is_empty() { 0 } else { u128::from(whole.parse::<u64>().ok()?) };
    let parts: u128 = if fraction.is_empty() { 0 } else { u128::from(fraction.parse::<u64>().ok()?) };
    let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    Some(whole * unit + parts * unit / scale)
}

#[cfg(test)]
mod tests {
    use super::parse_ms;

    #[test]
    fn as_go_reads_them() {
        for (text, ms) in [
            ("0", Some(0)),
            ("5m", Some(300_000)),
            ("72h", Some(259_200_000)),
            ("1h30m", Some(5_400_000)),
            ("1.5h", Some(5_400_000)),
            (".5s", Some(500)),
            ("1500us", Some(1)),
            ("1ms999µs", Some(1)),
            ("-5m", None),
            ("5", None),
            ("5M", None),
            ("5 m", None),
            ("1..5h", None),
            (".h", None),
            ("m", None),
            ("", None),
            ("99999999999999999999h", None),
        ] {
            assert_eq!(parse_ms(text), ms, "{text:?}");
        }
    }
}
