//! Clusters in a seed.
#![cfg(any(madsim, doc))]
