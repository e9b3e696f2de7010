//! Errors as RFC 9457 says: `application/problem+json`, with a detail for people and a `code` for programs.

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::failure::{Failure, FailureClass, with_causes};
use crate::secret::redacted;
use crate::store::StoreError;

/// How soon to ask again when something is down or busy, in seconds.
const SOON: u32 = 5;

/// An answer that something is wrong.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    retry_after: Option<u32>,
    more: Map<String, Value>,
}

impl Problem {
    /// A problem; `detail` is told to whoever asked, so it holds no secret.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), retry_after: None, more: Map::new() }
    }

    /// 404.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    /// 409.
    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    /// 422: well formed, but not what it may be.
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail)
    }

    /// 503, with a time to come again.
    pub fn unavailable(code: &'static str, detail: impl Into<String>) -> Self {
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail);
        Self { retry_after: Some(SOON), ..problem }
    }

    /// 500: our fault. What happened is in the log, where the request's id leads.
    pub fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "something went wrong; the log has more under this request's id",
        )
    }

    /// What a failed call inside means for whoever asked: what may pass is 503, all else is our fault. It is logged.
    pub fn from_failure(error: &dyn Failure) -> Self {
        let told = redacted(&with_causes(error));
        match error.class() {
            FailureClass::Permanent => {
                tracing::error!(error = told, "a request failed");
                Self::internal()
            }
            FailureClass::Retryable | FailureClass::Cancelled => {
                tracing::warn!(error = told, "a request has to be tried again");
                Self::unavailable("unavailable", "something that is needed for this can't be reached now")
            }
        }
    }

    /// The same problem with one more field.
    #[must_use]
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.more.insert(field.to_owned(), value.into());
        self
    }

    /// The status it is answered with.
    pub fn status(&self) -> StatusCode {
        self.status
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NoTranscript { transcript } => Self::not_found(format!("there is no transcript {transcript}")),
            error => Self::from_failure(&error),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut body = json!({
            // The title says all that the type could.
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "detail": self.detail,
            "code": self.code,
        });
        if let Value::Object(fields) = &mut body {
            fields.extend(self.more);
        }
        let content_type = [(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"))];
        let mut response = (self.status, content_type, body.to_string()).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_503_and_what_is_our_fault_is_500() {
        let lost =
            StoreError::Abandoned { class: FailureClass::Retryable, why: "postgres://me:s3cr3t@db/x".to_owned() };
        assert_eq!(Problem::from(lost).status(), StatusCode::SERVICE_UNAVAILABLE);
        let garbled = Problem::from(StoreError::garbled("title", "s3cr3t"));
        assert_eq!(garbled.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!garbled.detail.contains("s3cr3t"), "what is stored is not told");
        let missing = StoreError::NoTranscript { transcript: "t".to_owned() };
        assert_eq!(Problem::from(missing).status(), StatusCode::NOT_FOUND);
    }
}
