//! The TLS client: rustls with ring, the built-in roots and the system's own, made once at the first need.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore, crypto::ring};
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;

/// A connector that is built when first asked for: reading the system's roots takes tens of milliseconds, which a start must not wait for.
pub(super) struct Tls {
    connector: OnceCell<TlsConnector>,
}

impl Tls {
    pub(super) fn new() -> Self {
        Self { connector: OnceCell::new() }
    }

    /// The connector, shared by all dials.
    ///
    /// # Errors
    /// When the provider knows no suite for TLS 1.2 and 1.3, which ring does.
    pub(super) async fn connector(&self) -> Result<&TlsConnector, rustls::Error> {
        let make = || async {
            // If the blocking task is cancelled the runtime is ending; the built-in roots do for that moment.
            connector(tokio::task::spawn_blocking(all_roots).await.unwrap_or_else(|_| built_in_roots()))
        };
        self.connector.get_or_try_init(make).await
    }

    #[cfg(test)]
    pub(super) fn trusting(roots: RootCertStore) -> Self {
        Self { connector: OnceCell::new_with(connector(roots).ok()) }
    }
}

fn built_in_roots() -> RootCertStore {
    RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }
}

/// The built-in roots and the system's, so that closed networks with their own authority work.
fn all_roots() -> RootCertStore {
    let mut roots = built_in_roots();
    let system = rustls_native_certs::load_native_certs();
    let (added, skipped) = roots.add_parsable_certificates(system.certs);
    tracing::debug!(added, skipped, errors = system.errors.len(), "system certificates loaded");
    roots
}

fn connector(roots: RootCertStore) -> Result<TlsConnector, rustls::Error> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = builder.with_safe_default_protocol_versions()?.with_root_certificates(roots).with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use super::{all_roots, built_in_roots};

    #[test]
    fn the_systems_roots_come_on_top_of_the_built_in_ones() {
        assert!(built_in_roots().len() > 50);
        assert!(all_roots().len() >= built_in_roots().len());
    }
}
