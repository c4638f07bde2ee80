//! What clients do while things go wrong. One file each.

pub mod registers;
