//! How many streams and watchers there are, for whoever watches over a member.

use super::hub::Hub;

impl Hub {
    /// How many streams there are.
    pub fn stream_count(&self) -> u64 {
        self.streams.len() as u64
    }

    /// How many watchers there are.
    pub fn watcher_count(&self) -> u64 {
        (self.watchers.len() - self.free.len()) as u64
    }

    /// How many of them lag: they read history, or would if their stream had room.
    pub fn slow_watcher_count(&self) -> u64 {
        let blocked: usize = self.streams.values().map(|stream| stream.blocked.len()).sum();
        (self.catching_up.len() + blocked) as u64
    }
}
