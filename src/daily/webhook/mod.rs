//! Webhook deliveries as Daily sends them, without any HTTP framework: whether one is really Daily's, and what it says.

mod event;
mod field;
mod signature;

pub use event::{
    Delivery, Happening, Presence, ReadyRecording, RecordingFault, StartedRecording, UnreadableBody, WebhookEvent,
    parse, unreadable,
};
pub use signature::{WINDOW, WebhookSecret, verify};

use crate::failure::{Cause, Failure, FailureClass, classify};

/// The header that tells when a delivery was signed.
pub const TIMESTAMP_HEADER: &str = "x-webhook-timestamp";
/// The header that carries the signature.
pub const SIGNATURE_HEADER: &str = "x-webhook-signature";

/// The types that trackscribe asks for.
pub const EVENT_TYPES: [&str; 5] =
    ["participant.joined", "participant.left", "recording.started", "recording.ready-to-download", "recording.error"];

/// Why a delivery is not taken. No message quotes what was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// The configured secret can't be used.
    #[error("the webhook secret is not usable: {0}")]
    BadSecret(&'static str),
    /// The timestamp is no number of seconds or milliseconds.
    #[error("the webhook's timestamp is not a time")]
    BadTimestamp,
    /// Signed too long ago, or in the future: a replay, or a clock that is wrong.
    #[error("the webhook was signed {seconds} s {}: is this machine's clock right?", if *.past { "ago" } else { "from now" })]
    Stale {
        /// How far from now.
        seconds: u64,
        /// Before now.
        past: bool,
    },
    /// The signature is not this body's and timestamp's under our secret.
    #[error("the webhook's signature does not fit: is DAILY_WEBHOOK_SECRET the secret of this subscription?")]
    WrongSignature,
}

impl Failure for WebhookError {
    fn class(&self) -> FailureClass {
        classify(Cause::BadInput)
    }
}
