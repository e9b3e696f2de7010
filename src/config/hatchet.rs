//! How Hatchet is reached: under the names that its own clients know, so that one environment serves all of them. What is
//! not set here may stand in the token.

use std::path::PathBuf;
use std::str::FromStr;

use url::Url;

use super::names;
use super::reader::Reader;
use crate::secret::Secret;

/// Hatchet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HatchetSettings {
    /// Where the token is.
    pub token: Option<TokenSource>,
    /// See [`names::HATCHET_CLIENT_TENANT_ID`].
    pub tenant: Option<String>,
    /// `host:port`. See [`names::HATCHET_CLIENT_HOST_PORT`].
    pub host_port: Option<String>,
    /// See [`names::HATCHET_CLIENT_SERVER_URL`].
    pub server_url: Option<Url>,
    /// Empty: none. See [`names::HATCHET_CLIENT_NAMESPACE`].
    pub namespace: String,
    /// How the connection is protected.
    pub tls: TlsSettings,
}

/// Where the token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenSource {
    /// Here. See [`names::HATCHET_CLIENT_TOKEN`].
    Given(Secret),
    /// In a file. See [`names::HATCHET_CLIENT_TOKEN_FILE`].
    File(PathBuf),
}

/// How the connection to an engine is protected.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// See [`names::HATCHET_CLIENT_TLS_STRATEGY`].
    pub strategy: TlsStrategy,
    /// A PEM file. See [`names::HATCHET_CLIENT_TLS_ROOT_CA_FILE`].
    pub root: Option<PathBuf>,
    /// Our certificate and its key, PEM files; there with [`TlsStrategy::Mutual`].
    pub identity: Option<(PathBuf, PathBuf)>,
    /// See [`names::HATCHET_CLIENT_TLS_SERVER_NAME`].
    pub server_name: Option<String>,
}

/// Who shows a certificate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TlsStrategy {
    /// Nobody: the connection is open for all to read.
    None,
    /// The engine.
    #[default]
    Server,
    /// Both.
    Mutual,
}

/// Text that names no way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be none, tls or mtls")]
pub struct UnknownStrategy;

impl FromStr for TlsStrategy {
    type Err = UnknownStrategy;

    fn from_str(text: &str) -> Result<Self, UnknownStrategy> {
        match text {
            "none" => Ok(Self::None),
            "tls" => Ok(Self::Server),
            "mtls" => Ok(Self::Mutual),
            _ => Err(UnknownStrategy),
        }
    }
}

impl HatchetSettings {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            token: token(reader),
            tenant: reader.text(names::HATCHET_CLIENT_TENANT_ID),
            host_port: host_port(reader),
            server_url: reader.address(names::HATCHET_CLIENT_SERVER_URL, &["http", "https"]),
            namespace: namespace(reader).unwrap_or_default(),
            tls: TlsSettings::read(reader),
        }
    }
}

impl TlsSettings {
    fn read(reader: &mut Reader<'_>) -> Self {
        let strategy = reader
            .parsed(names::HATCHET_CLIENT_TLS_STRATEGY, "none, tls or mtls (with a certificate of ours)")
            .unwrap_or_default();
        let mut file = |name| reader.text(name).map(PathBuf::from);
        let (root, certificate, key) = (
            file(names::HATCHET_CLIENT_TLS_ROOT_CA_FILE),
            file(names::HATCHET_CLIENT_TLS_CERT_FILE),
            file(names::HATCHET_CLIENT_TLS_KEY_FILE),
        );
        let identity = match (strategy, certificate, key) {
            (TlsStrategy::Mutual, Some(certificate), Some(key)) => Some((certificate, key)),
            (TlsStrategy::Mutual, certificate, _) => {
                let (cert_name, key_name) = (names::HATCHET_CLIENT_TLS_CERT_FILE, names::HATCHET_CLIENT_TLS_KEY_FILE);
                let missing = if certificate.is_none() { cert_name } else { key_name };
                reader.problem(missing, format!("is not set, but {} is mtls", names::HATCHET_CLIENT_TLS_STRATEGY))
            }
            (TlsStrategy::None | TlsStrategy::Server, ..) => None,
        };
        let server_name = reader.text(names::HATCHET_CLIENT_TLS_SERVER_NAME);
        Self { strategy, root, identity, server_name }
    }
}

fn token(reader: &mut Reader<'_>) -> Option<TokenSource> {
    let (name, file_name) = (names::HATCHET_CLIENT_TOKEN, names::HATCHET_CLIENT_TOKEN_FILE);
    match (reader.secret(name), reader.text(file_name)) {
        (Some(_), Some(_)) => reader.problem(file_name, format!("is set, and {name} too: which of them counts?")),
        (Some(token), None) => Some(TokenSource::Given(token)),
        (None, file) => file.map(|file| TokenSource::File(file.into())),
    }
}

fn host_port(reader: &mut Reader<'_>) -> Option<String> {
    let name = names::HATCHET_CLIENT_HOST_PORT;
    let text = reader.text(name)?;
    let port = text.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
    match port {
        Some((host, 1..)) if !host.is_empty() && !host.contains('/') => Some(text),
        _ => reader
            .problem(name, format!("is {text:?}, but must be a host and a port without http://, e.g. hatchet:7077")),
    }
}

fn namespace(reader: &mut Reader<'_>) -> Option<String> {
    let name = names::HATCHET_CLIENT_NAMESPACE;
    let text = reader.text(name)?;
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)) {
        return Some(text);
    }
    reader.problem(name, format!("is {text:?}, but may only have letters, digits and . _ -"))
}
