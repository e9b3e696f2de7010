//! Workers of the tenant.

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::{Rest, Rows};
use crate::engine::hatchet::error::HatchetError;

/// A worker that somebody registered.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegisteredWorker {
    /// Its name.
    pub name: String,
    /// `ACTIVE`, `PAUSED` or `INACTIVE`.
    #[serde(default)]
    pub status: Option<String>,
    /// The action ids that it takes, in lower case.
    #[serde(default)]
    pub actions: Option<Vec<String>>,
    /// What it says of itself.
    #[serde(default)]
    labels: Option<Vec<Label>>,
    #[serde(default)]
    runtime_info: Option<RuntimeInfo>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Label {
    key: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RuntimeInfo {
    #[serde(default)]
    sdk_version: Option<String>,
    #[serde(default)]
    language: Option<String>,
}

impl RegisteredWorker {
    /// Whether it may be at work.
    pub fn is_live(&self) -> bool {
        self.status.as_deref() != Some("INACTIVE")
    }

    /// Whether it has a label of this name.
    pub fn has_label(&self, name: &str) -> bool {
        self.labels.iter().flatten().any(|label| label.key == name)
    }

    /// What it was written with, for people.
    pub fn written_with(&self) -> String {
        let info = self.runtime_info.as_ref();
        let known = |field: Option<&String>| field.filter(|text| !text.is_empty()).cloned();
        let language = known(info.and_then(|info| info.language.as_ref()));
        let version = known(info.and_then(|info| info.sdk_version.as_ref()));
        match (language, version) {
            (Some(language), Some(version)) => format!("{language} SDK {version}"),
            (Some(language), None) => format!("{language} SDK"),
            (None, _) => "of unknown make".to_owned(),
        }
    }
}

impl Rest {
    /// The workers that were heard of within the last day.
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn workers(&self) -> Result<Vec<RegisteredWorker>, HatchetError> {
        let found: Option<Rows<RegisteredWorker>> =
            self.get("listing the tenant's workers", &self.tenant("worker"), &[]).await?;
        let found = found.ok_or(HatchetError::Unknown {
            call: "listing the tenant's workers",
            why: "the server knows no such tenant; see HATCHET_CLIENT_TENANT_ID and HATCHET_CLIENT_SERVER_URL"
                .to_owned(),
        })?;
        Ok(found.rows.unwrap_or_default())
    }

    /// Tells the engine to give a worker nothing more.
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn pause(&self, worker: &str) -> Result<(), HatchetError> {
        let path = format!("/api/v1/workers/{worker}");
        self.send("pausing the worker", Method::PATCH, &path, &json!({"isPaused": true})).await
    }
}
