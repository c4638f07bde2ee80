//! The hub against its claims: golden scripts, a model that filters the whole history, histories longer than a
//! slice, and range maps against lists.

mod random;
mod ranges;
mod script;
mod slices;
