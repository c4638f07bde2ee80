//! What is said to systemd, where it has started the process and listens (`Type=notify`): that it serves, that it stops,
//! and, as often as `WatchdogSec=` asks, that the member still answers.

use super::probe;
use detcd::handle::MemberHandle;
use sd_notify::NotifyState;
use tokio::time::timeout;
use tracing::{error, info};

/// The member serves clients.
pub(crate) fn ready() {
    if std::env::var_os("NOTIFY_SOCKET").is_some() {
        info!("notifying init daemon");
        say(&[NotifyState::Ready, NotifyState::Status("serving clients")]);
    }
}

/// The member stops.
pub(crate) fn stopping() {
    say(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
}

/// Says that the member answers, twice as often as is asked for, for as long as it does. One whose main loop stands still
/// is then ended and started again.
pub(crate) async fn keep_alive(member: MemberHandle) {
    let interval = sd_notify::watchdog_enabled().map(|interval| interval / 2);
    let Some(interval) = interval.filter(|interval| !interval.is_zero()) else { return };
    let mut ticks = tokio::time::interval(interval);
    loop {
        ticks.tick().await;
        if matches!(timeout(interval, probe::read(&member, true)).await, Ok(Ok(()))) {
            say(&[NotifyState::Watchdog]);
        }
    }
}

fn say(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        error!(%error, "failed to notify systemd");
    }
}
