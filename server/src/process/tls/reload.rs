//! The material of one side, read again when its files change: certificates are renewed while members run.
//!
//! Files are looked at, not watched: Kubernetes changes them by a link to another directory. Where the new ones cannot be
//! used the old ones stay, and the log says so, once for each change.

use super::load::{Material, TlsError, load};
use crate::process::flags::TlsSettings;
use rustls::{ClientConfig, ServerConfig};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};
use tracing::{info, warn};

/// Between two looks at the files. etcd reads them at each handshake.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// TLS of one side. What changes with its files is taken by each handshake anew.
#[derive(Debug)]
pub(crate) struct Tls {
    settings: TlsSettings,
    current: Mutex<Current>,
}

#[derive(Debug)]
struct Current {
    material: Arc<Material>,
    stamps: Vec<Stamp>,
}

/// What says that a file is still the same: when it was written, how long it is, which file it is. `None`: not there.
type Stamp = Option<(SystemTime, u64, u64)>;

impl Tls {
    /// Reads the files for the first time.
    pub(crate) fn new(settings: TlsSettings) -> Result<Tls, TlsError> {
        // Before they are read: a change meanwhile is found at the next look.
        let stamps = stamps(&settings);
        let material = Arc::new(load(&settings)?);
        Ok(Tls { settings, current: Mutex::new(Current { material, stamps }) })
    }

    /// For a handshake with one that connects; `None` without a certificate.
    pub(crate) fn server(&self) -> Option<Arc<ServerConfig>> {
        self.current().material.server.clone()
    }

    /// For a handshake with one to whom we connect.
    pub(crate) fn client(&self) -> Result<Arc<ClientConfig>, String> {
        self.current().material.client.clone()
    }

    /// See `TlsSettings::checks_address`.
    pub(crate) fn checks_address(&self) -> bool {
        self.settings.checks_address
    }

    /// Whether the common name of a certificate says whose calls they are: only where `--client-cert-auth` is given, as with
    /// etcd.
    pub(crate) fn names_users(&self) -> bool {
        self.settings.client_cert_auth
    }

    /// Looks at the files for as long as it is polled; where there are none, there is nothing to do.
    pub(crate) async fn keep_current(self: Arc<Tls>) {
        if self.settings.files().is_empty() {
            return;
        }
        loop {
            tokio::time::sleep(LOOK_AGAIN).await;
            let tls = Arc::clone(&self);
            // Files can be slow. A panic has said so itself.
            _ = tokio::task::spawn_blocking(move || tls.look()).await;
        }
    }

    /// Reads the files again if one of them has changed.
    pub(super) fn look(&self) {
        let stamps = stamps(&self.settings);
        if self.current().stamps == stamps {
            return;
        }
        let loaded = load(&self.settings);
        let mut current = self.current();
        current.stamps = stamps;
        match loaded {
            Ok(material) => {
                current.material = Arc::new(material);
                info!(files = ?self.settings.files(), "loaded changed TLS files");
            }
            Err(error) => warn!(%error, "cannot use changed TLS files: the ones before stay in use"),
        }
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().expect("no panic while it is held")
    }
}

fn stamps(settings: &TlsSettings) -> Vec<Stamp> {
    settings.files().into_iter().map(|path| stamp(path)).collect()
}

fn stamp(path: &Path) -> Stamp {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
}
