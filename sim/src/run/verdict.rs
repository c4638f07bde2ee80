//! What is checked once a run is over.

use super::Play;
use crate::check::real_time;
use std::collections::BTreeMap;

impl Play {
    /// Whether every promise was kept.
    pub(super) async fn verdict(&self) -> Result<(), String> {
        let operations = self.history.operations();
        real_time::check(&operations, &BTreeMap::new())
    }
}
