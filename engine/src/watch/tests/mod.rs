//! The hub against its claims: golden scripts, a model that filters the whole history, and range maps against lists.

mod random;
mod ranges;
mod script;
