//! `grpc-timeout`: how long a client waits, as one to eight digits and a unit.

use http::HeaderName;
use std::time::Duration;

/// The header.
pub(super) const HEADER: HeaderName = HeaderName::from_static("grpc-timeout");
const DIGITS_MAX: usize = 8;

/// Parses a value; the error is grpc-go's text.
pub(super) fn parse(value: &[u8]) -> Result<Duration, String> {
    let shown = || String::from_utf8_lossy(value);
    let malformed = |reason: String| format!("malformed grpc-timeout: {reason}");
    if value.len() < 2 {
        return Err(malformed(format!("transport: timeout string is too short: {:?}", shown())));
    }
    if value.len() > DIGITS_MAX + 1 {
        return Err(malformed(format!("transport: timeout string is too long: {:?}", shown())));
    }
    let (digits, unit) = value.split_at(value.len() - 1);
    let of_units: fn(u64) -> Duration = match unit {
        b"H" => |hours| Duration::from_secs(hours * 3600),
        b"M" => |minutes| Duration::from_secs(minutes * 60),
        b"S" => Duration::from_secs,
        b"m" => Duration::from_millis,
        b"u" => Duration::from_micros,
        b"n" => Duration::from_nanos,
        _ => return Err(malformed(format!("transport: timeout unit is not recognized: {:?}", shown()))),
    };
    // Digits alone: Rust's own parser takes a sign.
    if !digits.iter().all(u8::is_ascii_digit) {
        let digits = String::from_utf8_lossy(digits);
        return Err(malformed(format!("strconv.ParseUint: parsing {digits:?}: invalid syntax")));
    }
    let count = digits.iter().fold(0, |count, digit| count * 10 + u64::from(digit - b'0'));
    Ok(of_units(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit() {
        for (value, expected) in [
            ("2H", Duration::from_secs(7200)),
            ("99999999H", Duration::from_secs(99_999_999 * 3600)),
            ("3M", Duration::from_secs(180)),
            ("4S", Duration::from_secs(4)),
            ("0S", Duration::ZERO),
            ("300m", Duration::from_millis(300)),
            ("5u", Duration::from_micros(5)),
            ("00000006n", Duration::from_nanos(6)),
        ] {
            assert_eq!(parse(value.as_bytes()), Ok(expected), "{value}");
        }
    }

    #[test]
    fn what_is_malformed_is_named_as_grpc_go_names_it() {
        for (value, expected) in [
            ("", "transport: timeout string is too short: \"\""),
            ("1", "transport: timeout string is too short: \"1\""),
            ("1x", "transport: timeout unit is not recognized: \"1x\""),
            ("123456789S", "transport: timeout string is too long: \"123456789S\""),
            ("aS", "strconv.ParseUint: parsing \"a\": invalid syntax"),
            ("-1S", "strconv.ParseUint: parsing \"-1\": invalid syntax"),
            ("+1S", "strconv.ParseUint: parsing \"+1\": invalid syntax"),
        ] {
            assert_eq!(
                parse(value.as_bytes()),
                Err(format!("malformed grpc-timeout: {expected}")),
                "{value}"
            );
        }
    }
}
