//! Certificates: the same files for the engine's connection and for its REST API.

use std::path::Path;

use tonic::transport::{Certificate, ClientTlsConfig, Identity};

use super::account::Account;
use super::settings::{SettingsError, Tls, named};

/// How the connection to the engine is protected; `None`: not at all.
///
/// # Errors
/// A file that can't be read.
pub(super) async fn for_engine(account: &Account) -> Result<Option<ClientTlsConfig>, SettingsError> {
    let tls = ClientTlsConfig::new().domain_name(account.server_name.clone());
    let root = root(&account.tls).await?;
    // A root of one's own stands for itself alone.
    let tls = match root {
        Some(root) => tls.ca_certificate(Certificate::from_pem(root)),
        None => tls.with_native_roots(),
    };
    Ok(match &account.tls {
        Tls::None => None,
        Tls::System | Tls::Root(_) => Some(tls),
        Tls::Mutual { certificate, key, .. } => {
            let certificate = pem(named::TLS_CERTIFICATE, certificate).await?;
            let key = pem(named::TLS_KEY, key).await?;
            Some(tls.identity(Identity::from_pem(certificate, key)))
        }
    })
}

/// The root certificate's PEM, where one is set.
///
/// # Errors
/// When it can't be read.
pub(super) async fn root(tls: &Tls) -> Result<Option<Vec<u8>>, SettingsError> {
    match tls.root() {
        Some(path) => pem(named::TLS_ROOT, path).await.map(Some),
        None => Ok(None),
    }
}

async fn pem(setting: &'static str, path: &Path) -> Result<Vec<u8>, SettingsError> {
    let bytes = tokio::fs::read(path).await;
    let bytes = bytes.map_err(|error| SettingsError::new(setting, format!("{}: {error}", path.display())))?;
    if bytes.windows(11).any(|part| part == b"-----BEGIN ") {
        return Ok(bytes);
    }
    Err(SettingsError::new(setting, format!("{} is no PEM file: it has no line -----BEGIN …", path.display())))
}
