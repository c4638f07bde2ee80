//! One promise a file; a failure's text is the promise that was broken.

pub mod linearizable;
pub mod no_lost_write;
pub mod replicas_agree;
