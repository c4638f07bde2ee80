//! SIGTERM and SIGINT ask for an orderly stop: leadership is transferred first. SIGKILL asks for nothing and loses
//! nothing that was acknowledged.

use tokio::signal::unix::{SignalKind, signal};

/// Waits for either signal and says which came.
pub(crate) async fn asked_to_stop() -> std::io::Result<&'static str> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(tokio::select! {
        biased;
        _ = terminate.recv() => "terminated",
        _ = interrupt.recv() => "interrupt",
    })
}
