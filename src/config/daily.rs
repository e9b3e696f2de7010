//! How Daily is reached, and how it reaches us.

use std::path::PathBuf;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use url::Url;

use super::names;
use super::reader::Reader;
use crate::secret::Secret;

/// Daily's REST API, unless somebody says otherwise.
const DEFAULT_API_URL: &str = "https://api.daily.co/v1";

/// Secrets come with and without padding, depending on what people copied.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Who answers for Daily.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DailyApi {
    /// The REST API below this address, which has no `/` at its end.
    Rest(String),
    /// A folder of recorded folders.
    Folders(PathBuf),
}

/// Daily.co.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DailySettings {
    /// See [`names::DAILY_API_URL`].
    pub api: DailyApi,
    /// See [`names::DAILY_API_KEY`].
    pub api_key: Option<Secret>,
    /// Base64, checked. See [`names::DAILY_WEBHOOK_SECRET`].
    pub webhook_secret: Option<Secret>,
    /// Where Daily reaches this program's webhook. See [`names::DAILY_WEBHOOK_URL`].
    pub webhook_url: Option<Url>,
}

impl DailySettings {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            api: api(reader).unwrap_or_else(|| DailyApi::Rest(DEFAULT_API_URL.to_owned())),
            api_key: reader.secret(names::DAILY_API_KEY),
            webhook_secret: webhook_secret(reader),
            webhook_url: reader.address(names::DAILY_WEBHOOK_URL, &["https", "http"]),
        }
    }
}

fn api(reader: &mut Reader<'_>) -> Option<DailyApi> {
    let url = reader.address(names::DAILY_API_URL, &["https", "http", "file"])?;
    if url.scheme() != "file" {
        return Some(DailyApi::Rest(url.as_str().trim_end_matches('/').to_owned()));
    }
    match url.to_file_path() {
        Ok(folder) => Some(DailyApi::Folders(folder)),
        Err(()) => reader.problem(
            names::DAILY_API_URL,
            "is no path: write file:///, then the absolute path of a folder of recorded folders",
        ),
    }
}

fn webhook_secret(reader: &mut Reader<'_>) -> Option<Secret> {
    let secret = reader.secret(names::DAILY_WEBHOOK_SECRET)?;
    // Either alphabet.
    match BASE64.decode(secret.reveal().replace('-', "+").replace('_', "/")) {
        Ok(key) if !key.is_empty() => Some(secret),
        _ => reader.problem(
            names::DAILY_WEBHOOK_SECRET,
            "must be the base64 text that trackscribe daily webhook create printed (Daily's hmac)",
        ),
    }
}
