//! The store against its claims: golden scripts, tables, and a model that is nothing but a list of versions.

mod model;
mod random;
mod rebuild;
mod script;
mod sort;
