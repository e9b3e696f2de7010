//! Hatchet, as the settings say.

use std::sync::Arc;

use anyhow::anyhow;

use super::exit::Exit;
use crate::clock::SharedClock;
use crate::config::{Config, HatchetSettings, TlsStrategy, TokenSource, names};
use crate::engine::hatchet::{Account, Connection, HatchetEngine, HatchetError, Rest, Settings, SettingsError, Tls};
use crate::secret::Secret;
use crate::workflow::Definitions;

/// The way to Hatchet, and the engine behind it.
#[derive(Clone)]
pub struct Hatchet {
    /// Its gRPC side.
    pub connection: Connection,
    /// Its REST side.
    pub rest: Rest,
    /// Starts and watches runs.
    pub engine: Arc<HatchetEngine>,
}

impl Hatchet {
    /// Gets ready; nothing is sent yet.
    ///
    /// # Errors
    /// A bad-input exit when settings are missing or can't be used.
    pub async fn open(config: &Config, definitions: &Definitions, clock: &SharedClock) -> Result<Self, Exit> {
        let bad = |error: SettingsError| Exit::bad_input(error.into());
        let account = Account::new(settings(&config.hatchet).await?, clock.now()).map_err(bad)?;
        let rest = Rest::prepare(&account).await.map_err(bad)?;
        let connection = Connection::prepare(account).await.map_err(bad)?;
        let engine = HatchetEngine::new(connection.clone(), rest.clone(), definitions.clone(), Arc::clone(clock));
        Ok(Self { connection, rest, engine: Arc::new(engine) })
    }
}

/// How the program ends when Hatchet won't have it.
pub fn exit_of(error: &HatchetError) -> Exit {
    let told = anyhow!("{error}");
    match error {
        HatchetError::Refused { .. } => Exit::Refused(told),
        HatchetError::Away { .. } => Exit::Failed(told),
        HatchetError::Settings(_)
        | HatchetError::TooOld(_)
        | HatchetError::Foreign(_)
        | HatchetError::Unknown { .. }
        | HatchetError::Rejected { .. } => Exit::BadInput(told),
    }
}

async fn token(source: Option<&TokenSource>) -> Result<Secret, Exit> {
    let file = match source {
        Some(TokenSource::Given(token)) => return Ok(token.clone()),
        Some(TokenSource::File(file)) => file,
        None => {
            return Err(Exit::bad_input(anyhow!(
                "{} is not set: make a token on Hatchet's dashboard, Settings, API Tokens, or with hatchet-admin token create",
                names::HATCHET_CLIENT_TOKEN
            )));
        }
    };
    let (name, shown) = (names::HATCHET_CLIENT_TOKEN_FILE, file.display());
    let text = tokio::fs::read_to_string(file).await;
    match text.map(|text| text.trim().to_owned()) {
        Ok(token) if !token.is_empty() => Ok(Secret::new(token)),
        Ok(_) => Err(Exit::bad_input(anyhow!("{name}: {shown} is empty"))),
        Err(error) => Err(Exit::bad_input(anyhow!("{name}: {shown} can't be read: {error}"))),
    }
}

async fn settings(given: &HatchetSettings) -> Result<Settings, Exit> {
    let token = token(given.token.as_ref()).await?;
    let tls = match (given.tls.strategy, &given.tls.root, &given.tls.identity) {
        (TlsStrategy::None, ..) => Tls::None,
        (TlsStrategy::Mutual, root, Some((certificate, key))) => {
            Tls::Mutual { root: root.clone(), certificate: certificate.clone(), key: key.clone() }
        }
        (_, Some(root), _) => Tls::Root(root.clone()),
        (_, None, _) => Tls::System,
    };
    Ok(Settings {
        token,
        tenant: given.tenant.clone(),
        host_port: given.host_port.clone(),
        server_url: given.server_url.clone(),
        namespace: given.namespace.clone(),
        tls,
        server_name: given.tls.server_name.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_token_may_stand_in_a_file_and_white_space_around_it_is_not_the_tokens() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let read = async || token(Some(&TokenSource::File(file.clone()))).await;
        for (text, says) in [(None, "can't be read"), (Some("\n"), "is empty"), (Some("s3cr3t\n"), "")] {
            if let Some(text) = text {
                std::fs::write(&file, text).unwrap();
            }
            match read().await {
                Ok(token) => assert_eq!((token.reveal(), says), ("s3cr3t", "")),
                Err(Exit::BadInput(error)) => {
                    let error = error.to_string();
                    assert!(error.starts_with("HATCHET_CLIENT_TOKEN_FILE: /") && error.contains(says), "{error}");
                }
                Err(other) => panic!("{other:?}"),
            }
        }
    }
}
