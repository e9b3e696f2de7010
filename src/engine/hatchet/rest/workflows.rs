//! What is registered.

use serde::Deserialize;

use super::{Rest, Rows};
use crate::engine::hatchet::error::HatchetError;

/// Workflows asked for at once.
const PAGE: usize = 100;

#[derive(Deserialize)]
struct Named {
    name: String,
}

impl Rest {
    /// Whether the engine has a workflow of exactly this name. Started by another, it would give the id of a run that never
    /// exists.
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn has_workflow(&self, name: &str) -> Result<bool, HatchetError> {
        // It answers with all names that have this one in them, in any case.
        let mut offset = 0;
        loop {
            let query = [("name", name.to_owned()), ("limit", PAGE.to_string()), ("offset", offset.to_string())];
            let found: Option<Rows<Named>> =
                self.get("looking for a workflow", &self.tenant("workflows"), &query).await?;
            let Some(Rows { rows }) = found else { return Ok(false) };
            let rows = rows.unwrap_or_default();
            if rows.iter().any(|workflow| workflow.name == name) {
                return Ok(true);
            }
            offset += rows.len();
            if rows.len() < PAGE {
                return Ok(false);
            }
        }
    }
}
