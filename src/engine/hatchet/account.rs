//! Who we are to Hatchet and where it is. What is set counts for more than what the token says: its addresses are those
//! that the engine had when the token was made, often `localhost`, which leads nowhere from inside a container.

use std::fmt;

use url::Url;

use super::names::Namespace;
use super::settings::{Settings, SettingsError, Tls, named};
use super::token::Claims;
use crate::clock::Timestamp;
use crate::secret::Secret;

/// A tenant of a Hatchet engine, and the way there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub(super) token: Secret,
    pub(super) tenant: String,
    pub(super) address: Address,
    /// The REST API's, without `/` at its end.
    pub(super) rest: String,
    pub(super) namespace: Namespace,
    pub(super) tls: Tls,
    /// The name that the engine's certificate must be for.
    pub(super) server_name: String,
}

/// Where the engine is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
    from_token: bool,
}

impl Account {
    /// Puts together what is set and what the token says.
    ///
    /// # Errors
    /// What is missing in both, what is wrong in either, and a token that has ended.
    pub fn new(settings: Settings, now: Timestamp) -> Result<Self, SettingsError> {
        let claims = Claims::read(settings.token.reveal())?;
        if let Some(end) = claims.expires().filter(|end| *end <= now) {
            return Err(SettingsError::new(named::TOKEN, format!("ended at {end}: make a new one")));
        }
        let neither =
            |setting, what: &str| SettingsError::new(setting, format!("is not set, and the token names no {what}"));
        let tenant = settings.tenant.or(claims.tenant).ok_or_else(|| neither(named::TENANT, "tenant"))?;
        let from_token = settings.host_port.is_none();
        let host_port = settings.host_port.or(claims.host_port);
        let host_port = host_port.ok_or_else(|| neither(named::HOST_PORT, "address"))?;
        let address = Address::parse(&host_port, from_token)?;
        let rest = match (settings.server_url, claims.server_url) {
            (Some(url), _) => url,
            (None, Some(url)) => url
                .parse()
                .map_err(|_| SettingsError::new(named::SERVER_URL, "is not set, and the token's is no address"))?,
            (None, None) => return Err(neither(named::SERVER_URL, "REST address")),
        };
        Ok(Self {
            token: settings.token,
            tenant,
            rest: rest_base(&rest)?,
            namespace: Namespace::new(&settings.namespace)?,
            server_name: settings.server_name.unwrap_or_else(|| address.host.clone()),
            tls: settings.tls,
            address,
        })
    }

    /// The tenant's id.
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// What keeps our names apart from others'.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }
}

fn rest_base(url: &Url) -> Result<String, SettingsError> {
    if !matches!(url.scheme(), "http" | "https") || url.query().is_some() {
        return Err(SettingsError::new(named::SERVER_URL, "must be http:// or https:// and a host, without ? in it"));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

impl Address {
    fn parse(text: &str, from_token: bool) -> Result<Self, SettingsError> {
        let bad = || {
            let whose = if from_token { "is not set, and the token's" } else { "is" };
            SettingsError::new(
                named::HOST_PORT,
                format!("{whose} {text:?}, but must be a host and a port: hatchet:7077"),
            )
        };
        let (host, port) = text.rsplit_once(':').ok_or_else(bad)?;
        let port = port.parse().ok().filter(|port| *port > 0).ok_or_else(bad)?;
        // An IPv6 address has brackets around it; nothing else has a colon.
        let inner = host.strip_prefix('[').map_or(host, |host| host.trim_end_matches(']'));
        if inner.is_empty() || inner.contains('/') || (inner.contains(':') && inner == host) {
            return Err(bad());
        }
        Ok(Self { host: inner.to_owned(), port, from_token })
    }

    /// What may help whoever can't reach it.
    pub(super) fn hint(&self) -> &'static str {
        let is_local = matches!(self.host.as_str(), "localhost" | "127.0.0.1" | "::1");
        if self.from_token && is_local {
            " (as the token says; from another machine or container set HATCHET_CLIENT_HOST_PORT)"
        } else {
            ""
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            return write!(f, "[{}]:{}", self.host, self.port);
        }
        write!(f, "{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::settings;
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

    fn local() -> Value {
        json!({"sub": "t", "server_url": "http://localhost:8888", "grpc_broadcast_address": "localhost:7077"})
    }

    #[test]
    fn the_token_alone_is_enough() {
        let account = Account::new(settings(&local()), NOW).unwrap();
        assert_eq!((account.tenant(), account.rest.as_str()), ("t", "http://localhost:8888"));
        assert_eq!(
            (account.address.to_string().as_str(), account.server_name.as_str()),
            ("localhost:7077", "localhost")
        );
        assert!(account.address.hint().contains("HATCHET_CLIENT_HOST_PORT"));
    }

    #[test]
    fn what_is_set_counts_for_more_than_the_token() {
        let set = Settings {
            tenant: Some("other".to_owned()),
            host_port: Some("hatchet:7077".to_owned()),
            server_url: Some("https://hatchet.example.org/".parse().unwrap()),
            server_name: Some("engine".to_owned()),
            namespace: "Staging".to_owned(),
            ..settings(&local())
        };
        let account = Account::new(set, NOW).unwrap();
        assert_eq!((account.tenant(), account.rest.as_str()), ("other", "https://hatchet.example.org"));
        assert_eq!((account.address.to_string().as_str(), account.server_name.as_str()), ("hatchet:7077", "engine"));
        assert_eq!((account.address.hint(), account.namespace.to_string().as_str()), ("", "staging_"));
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let refused = |settings: Settings| Account::new(settings, NOW).unwrap_err().to_string();
        assert!(refused(settings(&json!({"sub": "t"}))).contains("HATCHET_CLIENT_HOST_PORT"));
        assert!(refused(settings(&json!({"grpc_broadcast_address": "a:1"}))).contains("HATCHET_CLIENT_TENANT_ID"));
        let without_url = json!({"sub": "t", "grpc_broadcast_address": "a:1"});
        assert!(refused(settings(&without_url)).contains("HATCHET_CLIENT_SERVER_URL"));
        let mut ended = local();
        ended["exp"] = json!(1_700_000_000);
        assert!(refused(settings(&ended)).contains("ended at 2023-11-14"));
        for odd in ["hatchet", "http://hatchet:7077", "hatchet:0", "hatchet:x", ":7077", "fe80::1:7077"] {
            let error = refused(Settings { host_port: Some(odd.to_owned()), ..settings(&local()) });
            assert!(error.contains("HATCHET_CLIENT_HOST_PORT"), "{odd}: {error}");
        }
        let ipv6 = Settings { host_port: Some("[::1]:7077".to_owned()), ..settings(&local()) };
        assert_eq!(Account::new(ipv6, NOW).unwrap().address.to_string(), "[::1]:7077");
    }
}
