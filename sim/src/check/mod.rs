//! One promise or one kind of promise a file; a failure's text is the promise that was broken.

pub mod chronicle;
#[cfg(test)]
mod made;
mod promise;
pub mod real_time;
pub mod replicas_agree;

pub use promise::Promise;
