//! Whether a delivery was signed by whoever knows the secret, and lately.
//!
//! Daily signs `timestamp + "." + body`, both exactly as they go over the wire, by HMAC-SHA256 under the base64-decoded
//! secret, and sends the result in base64 (Daily's webhook reference, "Verifying webhook signatures").

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::WebhookError;
use crate::clock::Timestamp;
use crate::daily::epoch::moment;
use crate::secret::Secret;

/// How far from now a delivery may have been signed: longer than any retry of one delivery takes, shorter than a
/// recorded delivery is of use to anybody.
pub const WINDOW: Duration = Duration::from_secs(5 * 60);

/// Secrets come with and without padding, depending on what people copied.
const ANY_PADDING: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The secret of a subscription, which Daily calls `hmac`.
#[derive(Clone)]
pub struct WebhookSecret {
    key: Vec<u8>,
    /// HMAC with the key taken in already.
    keyed: Hmac<Sha256>,
}

impl WebhookSecret {
    fn of_key(key: Vec<u8>) -> Result<Self, WebhookError> {
        if key.is_empty() {
            return Err(WebhookError::BadSecret("it is empty"));
        }
        let keyed = Hmac::new_from_slice(&key).map_err(|_| WebhookError::BadSecret("its length is wrong"))?;
        Ok(Self { key, keyed })
    }

    /// As Daily takes it: base64.
    pub fn to_base64(&self) -> Secret {
        Secret::new(STANDARD.encode(&self.key))
    }

    fn signed(&self, timestamp: &str, body: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.keyed.clone();
        mac.update(timestamp.as_bytes());
        mac.update(b".");
        mac.update(body);
        mac
    }
}

impl PartialEq for WebhookSecret {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for WebhookSecret {}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[webhook secret]")
    }
}

impl FromStr for WebhookSecret {
    type Err = WebhookError;

    /// Reads base64, of either alphabet.
    fn from_str(text: &str) -> Result<Self, WebhookError> {
        let text = text.trim().replace('-', "+").replace('_', "/");
        let key = ANY_PADDING.decode(text).map_err(|_| {
            WebhookError::BadSecret("it is not base64; Daily shows it as `hmac` when the subscription is created")
        })?;
        Self::of_key(key)
    }
}

/// Whether Daily signed this `body` within five minutes of `now`. `timestamp` and `signature` are the texts of the
/// headers [`super::TIMESTAMP_HEADER`] and [`super::SIGNATURE_HEADER`]; the time spent tells nothing of the signature.
///
/// # Errors
/// [`WebhookError::BadTimestamp`], [`WebhookError::WrongSignature`], [`WebhookError::Stale`].
pub fn verify(
    secret: &WebhookSecret,
    timestamp: &str,
    signature: &str,
    body: &[u8],
    now: Timestamp,
) -> Result<(), WebhookError> {
    let signature = STANDARD.decode(signature).map_err(|_| WebhookError::WrongSignature)?;
    secret.signed(timestamp, body).verify_slice(&signature).map_err(|_| WebhookError::WrongSignature)?;
    let at = signing_time(timestamp).ok_or(WebhookError::BadTimestamp)?;
    let (age, ahead) = (now.since(at), at.since(now));
    if age.max(ahead) > WINDOW {
        return Err(WebhookError::Stale { seconds: age.max(ahead).as_secs(), past: age > ahead });
    }
    Ok(())
}

/// Digits, and at most one point among them.
fn signing_time(text: &str) -> Option<Timestamp> {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_decimal = match text.split_once('.') {
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => digits(text),
    };
    if is_decimal { text.parse().ok().and_then(moment) } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECRET: &str = "dHJhY2tzY3JpYmUta25vd24tYW5zd2VyLXNlY3JldCE=";
    const BODY: &str = r#"{"version":"1.0.0","type":"participant.joined","id":"ptcpt-join-1","payload":{"room":"standup","session_id":"s1"},"event_ts":1708972302.986}"#;
    const NOW: Timestamp = Timestamp::from_micros(1_708_972_303_000_000);

    fn check(timestamp: &str, signature: &str, now: Timestamp) -> Result<(), WebhookError> {
        verify(&SECRET.parse().unwrap(), timestamp, signature, BODY.as_bytes(), now)
    }

    /// The signatures were computed twice by others: Python's `hmac.new(base64.b64decode(SECRET), TIMESTAMP + b"." + BODY,
    /// hashlib.sha256)`, and `printf '%s' 'TIMESTAMP.BODY' | openssl dgst -sha256 -hmac 'trackscribe-known-answer-secret!'
    /// -binary | base64`.
    #[test]
    fn known_answers_are_accepted_whatever_the_timestamps_unit() {
        for (timestamp, signature) in [
            ("1708972303", "bx7gQnyozip2uCne7BZ8nSLfchgkJNRW2g7RyAygD1c="),
            ("1708972302986", "UIpIztnooP2CQbIVoTGF22jbzS6HtZriDm3m6zJ6AsE="),
            ("1708972302.986", "RpRg0+P+4ui4QcoSWPY8DK2YG+a1PgTemj/GD7J9aow="),
        ] {
            assert_eq!(check(timestamp, signature, NOW), Ok(()), "{timestamp}");
        }
    }

    #[test]
    fn a_delivery_is_refused_once_it_is_five_minutes_from_now() {
        let signature = "bx7gQnyozip2uCne7BZ8nSLfchgkJNRW2g7RyAygD1c=";
        let at = |seconds: i64| {
            check("1708972303", signature, Timestamp::from_micros(NOW.as_micros() + seconds * 1_000_000))
        };
        assert_eq!((at(300), at(-300)), (Ok(()), Ok(())));
        assert_eq!(at(301), Err(WebhookError::Stale { seconds: 301, past: true }));
        assert_eq!(at(-301), Err(WebhookError::Stale { seconds: 301, past: false }));
    }

    #[test]
    fn a_rightly_signed_timestamp_that_is_no_time_is_refused() {
        let secret: WebhookSecret = SECRET.parse().unwrap();
        for timestamp in
            ["", ".", "1708972303.", ".5", "+1708972303", "1.7e9", "1708972303 ", "-1", "NaN", "1.2.3", "١"]
        {
            let signature = STANDARD.encode(secret.signed(timestamp, b"{}").finalize().into_bytes());
            let refused = verify(&secret, timestamp, &signature, b"{}", NOW);
            assert_eq!(refused, Err(WebhookError::BadTimestamp), "{timestamp:?}");
        }
    }

    #[test]
    fn secrets_are_read_however_they_were_copied_and_never_shown() {
        let secret: WebhookSecret = SECRET.parse().unwrap();
        assert_eq!(SECRET.trim_end_matches('=').parse(), Ok(secret.clone()));
        assert_eq!(format!(" {SECRET}\n").parse(), Ok(secret.clone()));
        assert_eq!("-_8=".parse::<WebhookSecret>(), "+/8".parse());
        assert_eq!(secret.to_base64().reveal(), SECRET);
        assert!(!format!("{secret:?}").contains("know"));
        for bad in ["", "  ", "not base64!"] {
            assert!(matches!(bad.parse::<WebhookSecret>(), Err(WebhookError::BadSecret(_))), "{bad:?}");
        }
    }

    fn flipped(bytes: &[u8], bit: usize) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        let bit = bit % (bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        bytes
    }

    proptest! {
        #[test]
        fn a_delivery_with_any_flipped_bit_is_refused(body in prop::collection::vec(any::<u8>(), 1..200), bit: usize, key: [u8; 32]) {
            let secret = WebhookSecret::of_key(key.to_vec()).unwrap();
            let timestamp = "1708972303";
            let signature = STANDARD.encode(secret.signed(timestamp, &body).finalize().into_bytes());
            prop_assert_eq!(verify(&secret, timestamp, &signature, &body, NOW), Ok(()));
            prop_assert_eq!(
                verify(&secret, timestamp, &signature, &flipped(&body, bit), NOW),
                Err(WebhookError::WrongSignature)
            );
            if let Ok(other) = String::from_utf8(flipped(timestamp.as_bytes(), bit)) {
                prop_assert!(verify(&secret, &other, &signature, &body, NOW).is_err());
            }
            if let Ok(other) = String::from_utf8(flipped(signature.as_bytes(), bit)) {
                prop_assert!(verify(&secret, timestamp, &other, &body, NOW).is_err());
            }
            let other = WebhookSecret::of_key(flipped(&key, bit)).unwrap();
            prop_assert!(verify(&other, timestamp, &signature, &body, NOW).is_err());
        }

        #[test]
        fn no_headers_or_bytes_make_it_panic(timestamp: String, signature: String, body: Vec<u8>, now: i64) {
            let secret: WebhookSecret = SECRET.parse().unwrap();
            prop_assert!(verify(&secret, &timestamp, &signature, &body, Timestamp::from_micros(now)).is_err());
        }
    }
}
