//! The store against its claims.
