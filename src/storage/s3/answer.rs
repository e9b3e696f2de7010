//! What an S3 service's error answer means. Codes: Amazon S3 API Reference, "Error responses".

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use crate::failure::{Cause, FailureClass, classify, with_causes};
use crate::secret::redacted;
use crate::storage::StorageError;

/// Where S3 tells the bucket's region, in answers to requests for another one.
const BUCKET_REGION: &str = "x-amz-bucket-region";
/// Bytes of an error's text that are kept.
const LONGEST_TEXT: usize = 400;

/// An error answer, as far as its meaning depends on it.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// HTTP status.
    pub status: u16,
    /// S3's word for the error. Answers to HEAD have no body and therefore none.
    pub code: &'a str,
    /// S3's sentence for it.
    pub message: &'a str,
    /// The region that was asked.
    pub asked: &'a str,
    /// The region that the bucket is in, where the answer tells.
    pub right: Option<&'a str>,
}

impl Answer<'_> {
    /// The error for `object`, which is its address.
    pub fn meaning(&self, object: &str) -> StorageError {
        let object = object.to_owned();
        let elsewhere = self.right.is_some_and(|right| right != self.asked);
        match (self.status, self.code) {
            (301 | 307, _) | (_, "PermanentRedirect" | "TemporaryRedirect") => self.wrong_region(object),
            (400, _) if elsewhere => self.wrong_region(object),
            (_, "NoSuchBucket") => StorageError::MissingBucket { object },
            // An upload that was dropped by a lifecycle rule, or that was completed by a try whose answer got lost.
            (_, "NoSuchUpload") => StorageError::Unavailable { object, why: self.says() },
            (_, "NoSuchKey" | "NotFound") | (404, "") => StorageError::Missing { key: object },
            (412, _) => StorageError::Replaced { object },
            (_, code) if is_about_credentials(code) => StorageError::BadCredentials { object, why: self.says() },
            (_, code) if is_passing(code) => StorageError::Unavailable { object, why: self.says() },
            // A service that lacks this operation will not have it at the next try.
            (501, _) | (_, "NotImplemented") => StorageError::Refused { object, why: self.says() },
            (_, "InvalidObjectState" | "RequestTimeTooSkewed") => StorageError::Refused { object, why: self.says() },
            (401 | 403, _) => {
                let why =
                    format!("{}; without the right to list a bucket, a missing object looks the same", self.says());
                StorageError::Denied { object, why }
            }
            (status, _) if classify(Cause::HttpStatus(status)) == FailureClass::Retryable => {
                StorageError::Unavailable { object, why: self.says() }
            }
            _ => StorageError::Refused { object, why: self.says() },
        }
    }

    fn wrong_region(&self, object: String) -> StorageError {
        let right = self.right.filter(|right| *right != self.asked).map(str::to_owned);
        StorageError::WrongRegion { object, asked: self.asked.to_owned(), right }
    }

    fn says(&self) -> String {
        let says = [self.code, self.message].into_iter().filter(|text| !text.is_empty());
        let says = says.collect::<Vec<_>>().join(": ");
        if says.is_empty() { format!("HTTP status {}", self.status) } else { shown(&says) }
    }
}

fn is_about_credentials(code: &str) -> bool {
    matches!(
        code,
        "ExpiredToken"
            | "ExpiredTokenException"
            | "InvalidAccessKeyId"
            | "InvalidClientTokenId"
            | "InvalidSecurity"
            | "InvalidToken"
            | "NotSignedUp"
            | "SignatureDoesNotMatch"
            | "TokenRefreshRequired"
            | "UnrecognizedClientException"
    )
}

/// Errors with a status of 4xx that the next try may not meet: bytes lost on the way, another writer at the same moment.
fn is_passing(code: &str) -> bool {
    matches!(
        code,
        "BadDigest"
            | "ConditionalRequestConflict"
            | "IncompleteBody"
            | "OperationAborted"
            | "RequestTimeout"
            | "SlowDown"
            | "XAmzContentChecksumMismatch"
    )
}

/// The error for `object` out of a request that failed, whatever it asked for.
pub fn meaning<E>(error: &SdkError<E, HttpResponse>, object: &str, asked: &str) -> StorageError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    if let SdkError::ServiceError(context) = error {
        let (raw, meta) = (context.raw(), context.err().meta());
        let body = raw.body().bytes().and_then(|body| std::str::from_utf8(body).ok()).unwrap_or_default();
        let answer = Answer {
            status: raw.status().as_u16(),
            code: meta.code().unwrap_or_default(),
            message: meta.message().unwrap_or_default(),
            asked,
            right: raw.headers().get(BUCKET_REGION).or_else(|| region_in(body)),
        };
        return answer.meaning(object);
    }
    let (object, why) = (object.to_owned(), shown(&with_causes(error)));
    if let Some(why) = unusable_credentials(error) {
        return StorageError::BadCredentials { object, why };
    }
    match error {
        SdkError::ConstructionFailure(_) => StorageError::Refused { object, why },
        SdkError::DispatchFailure(failure) if failure.is_user() => StorageError::Refused { object, why },
        _ => StorageError::Unavailable { object, why },
    }
}

/// `<Region>` of an error's XML.
fn region_in(body: &str) -> Option<&str> {
    body.split_once("<Region>")?.1.split_once("</Region>").map(|(region, _)| region)
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// Why the credentials will be no better next time; `None` when it is not about credentials, or their service could not be
/// reached or was too busy.
fn unusable_credentials(error: &(dyn Error + 'static)) -> Option<String> {
    // A role is assumed with other credentials: the first error is about the role, the last one about what it came from.
    let about: Vec<&CredentialsError> = causes(error).filter_map(|error| error.downcast_ref()).collect();
    let last = *about.last()?;
    match last {
        CredentialsError::CredentialsNotLoaded(_) => {
            let none = if about.len() > 1 { "there are none to assume the role with" } else { "there are none" };
            let unset = "neither the settings ACCESS_KEY_ID and SECRET_ACCESS_KEY nor the standard AWS chain have any";
            let looked = with_causes(last).split_whitespace().collect::<Vec<_>>().join(" ");
            Some(shown(&format!("{none}: {unset} ({looked})")))
        }
        CredentialsError::InvalidConfiguration(_) => Some(shown(&with_causes(error))),
        // The token service's word, as the SDK's errors quote it.
        CredentialsError::ProviderError(_) => {
            let told = with_causes(last);
            let refused = told
                .split(|c: char| !c.is_ascii_alphanumeric())
                .any(|word| word == "AccessDenied" || is_about_credentials(word));
            refused.then(|| shown(&told))
        }
        _ => None,
    }
}

/// Text from outside, fit to be shown: no secrets, not too long.
pub fn shown(text: &str) -> String {
    let text = redacted(text);
    match text.char_indices().nth(LONGEST_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Failure;

    fn answer(status: u16, code: &'static str) -> Answer<'static> {
        Answer { status, code, message: "", asked: "us-east-1", right: None }
    }

    #[test]
    fn h7_each_answer_has_its_class_and_names_bucket_and_key() {
        use FailureClass::{Permanent, Retryable};
        let table = [
            (404, "NoSuchKey", Permanent, "no such object"),
            (404, "", Permanent, "no such object"),
            (404, "NoSuchBucket", Permanent, "no such bucket"),
            (403, "AccessDenied", Permanent, "access denied"),
            (403, "", Permanent, "access denied"),
            (401, "Unauthorized", Permanent, "access denied"),
            (301, "PermanentRedirect", Permanent, "not in region us-east-1"),
            (307, "TemporaryRedirect", Permanent, "not in region us-east-1"),
            (400, "AuthorizationHeaderMalformed", Permanent, "refused"),
            (403, "InvalidAccessKeyId", Permanent, "credentials"),
            (403, "SignatureDoesNotMatch", Permanent, "credentials"),
            (400, "ExpiredToken", Permanent, "ExpiredToken"),
            (403, "RequestTimeTooSkewed", Permanent, "RequestTimeTooSkewed"),
            (403, "InvalidObjectState", Permanent, "InvalidObjectState"),
            (400, "KeyTooLongError", Permanent, "KeyTooLongError"),
            (405, "MethodNotAllowed", Permanent, "MethodNotAllowed"),
            (501, "NotImplemented", Permanent, "NotImplemented"),
            (400, "RequestTimeout", Retryable, "RequestTimeout"),
            (400, "BadDigest", Retryable, "BadDigest"),
            (404, "NoSuchUpload", Retryable, "NoSuchUpload"),
            (409, "OperationAborted", Retryable, "OperationAborted"),
            (412, "PreconditionFailed", Retryable, "replaced"),
            (429, "TooManyRequests", Retryable, "TooManyRequests"),
            (500, "InternalError", Retryable, "InternalError"),
            (503, "SlowDown", Retryable, "SlowDown"),
            (503, "", Retryable, "503"),
        ];
        for (status, code, class, says) in table {
            let error = answer(status, code).meaning("s3://bucket/a/key");
            assert_eq!(error.class(), class, "{status} {code}");
            let text = error.to_string();
            assert!(text.starts_with("s3://bucket/a/key: ") && text.contains(says), "{text}");
        }
    }

    #[test]
    fn the_region_that_s3_asks_for_is_named() {
        let right = region_in("<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>");
        for status in [301, 400] {
            let error = Answer { right, ..answer(status, "AuthorizationHeaderMalformed") }.meaning("s3://b/k");
            assert_eq!(error.to_string(), "s3://b/k: the bucket is not in region us-east-1 but in eu-west-1");
        }
        let denied = Answer { right: Some("us-east-1"), ..answer(403, "AccessDenied") }.meaning("s3://b/k");
        assert!(matches!(denied, StorageError::Denied { .. }));
    }

    #[test]
    fn u25_an_answer_that_quotes_an_address_is_redacted() {
        let message = "see https://b.s3.amazonaws.com/k?X-Amz-Signature=abc for more";
        let error = Answer { message, ..answer(400, "Odd") }.meaning("s3://b/k").to_string();
        assert!(error.contains("https://b.s3.amazonaws.com/k?…") && !error.contains("X-Amz"), "{error}");
        assert!(shown(&"ü".repeat(1000)).chars().count() <= LONGEST_TEXT + 1);
    }
}
