//! Durations of the command line and the environment: any text, read as Go reads it or refused.

use crate::flags_parse::flags::duration;

/// Text is refused, or is what its parts add up to.
pub fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Some(ms) = duration::parse_ms(text) else { return };
    assert!(!text.is_empty() && !text.starts_with('-'), "{text:?} is no duration");
    // A duration and a bit more is longer by the bit.
    if text != "0" {
        let longer = duration::parse_ms(&format!("{text}1ms"));
        assert_eq!(longer, ms.checked_add(1), "{text:?} and a millisecond");
    }
    assert_eq!(duration::parse_ms(&format!("{ms}ms")), Some(ms), "{text:?} in milliseconds");
}
