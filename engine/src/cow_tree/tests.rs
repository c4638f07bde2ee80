//! The tree against the standard library's.
