//! How Hatchet is reached, as whoever configures it says: nothing is looked up or read here.

use std::path::PathBuf;

use url::Url;

use crate::secret::Secret;

/// What is set. All but the token may come from the token itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The API token, a JWT.
    pub token: Secret,
    /// The tenant.
    pub tenant: Option<String>,
    /// `host:port` of the engine.
    pub host_port: Option<String>,
    /// Where its REST API is.
    pub server_url: Option<Url>,
    /// What keeps our names apart from others' in the same tenant; empty: nothing does.
    pub namespace: String,
    /// How the connection is protected.
    pub tls: Tls,
    /// The name that the engine's certificate must be for, where that is not its host.
    pub server_name: Option<String>,
}

/// How the connection is protected.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Tls {
    /// Not at all.
    None,
    /// The engine has a certificate that the machine trusts, or that this root vouches for.
    #[default]
    System,
    /// As `System`, by a root certificate in PEM.
    Root(PathBuf),
    /// We show a certificate too.
    Mutual {
        /// The engine's root certificate, where the machine does not trust it.
        root: Option<PathBuf>,
        /// Ours, in PEM.
        certificate: PathBuf,
        /// Its key, in PEM.
        key: PathBuf,
    },
}

impl Tls {
    /// The root certificate's file, where there is one.
    pub fn root(&self) -> Option<&PathBuf> {
        match self {
            Self::None | Self::System => None,
            Self::Root(root) => Some(root),
            Self::Mutual { root, .. } => root.as_ref(),
        }
    }
}

/// Settings that can't be used, and what they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{setting} {problem}")]
pub struct SettingsError {
    /// The setting's name.
    pub setting: &'static str,
    /// What is wrong with it. Never the token's text.
    pub problem: String,
}

impl SettingsError {
    pub(super) fn new(setting: &'static str, problem: impl Into<String>) -> Self {
        Self { setting, problem: problem.into() }
    }
}

/// The names that people set, for messages about them.
pub(super) mod named {
    pub const TOKEN: &str = "HATCHET_CLIENT_TOKEN";
    pub const TENANT: &str = "HATCHET_CLIENT_TENANT_ID";
    pub const HOST_PORT: &str = "HATCHET_CLIENT_HOST_PORT";
    pub const SERVER_URL: &str = "HATCHET_CLIENT_SERVER_URL";
    pub const NAMESPACE: &str = "HATCHET_CLIENT_NAMESPACE";
    pub const TLS_ROOT: &str = "HATCHET_CLIENT_TLS_ROOT_CA_FILE";
    pub const TLS_CERTIFICATE: &str = "HATCHET_CLIENT_TLS_CERT_FILE";
    pub const TLS_KEY: &str = "HATCHET_CLIENT_TLS_KEY_FILE";
}
