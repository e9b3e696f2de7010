//! Deliveries as Daily makes them, each a different event.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::Failed;

/// Where they go.
pub const PATH: &str = "/v1/daily/webhook";

/// Makes deliveries.
pub struct Deliveries {
    keyed: Hmac<Sha256>,
    run: String,
    made: AtomicU64,
}

impl Deliveries {
    /// Deliveries signed with `secret`, base64, whose ids begin with `run`.
    pub fn new(secret: &str, run: &str) -> Result<Self, Failed> {
        let keyed = Hmac::new_from_slice(&STANDARD.decode(secret)?)?;
        Ok(Self { keyed, run: run.to_owned(), made: AtomicU64::new(0) })
    }

    /// The bytes of the next delivery's request.
    pub fn next(&self) -> Vec<u8> {
        let (run, number) = (&self.run, self.made.fetch_add(1, Ordering::Relaxed));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let body = format!(
            r#"{{"version":"1.0.0","type":"participant.joined","id":"{run}-{number}","payload":{{"room":"standup-20260105090000","user_id":null,"user_name":"Alice {number}","session_id":"0c0d2dda-f21d-4cf9-ab56-{number:012x}","joined_at":{now:.3},"will_eject_at":null,"owner":false,"permissions":{{"hasPresence":true,"canSend":true}}}},"event_ts":{now:.3}}}"#
        );
        let timestamp = (now * 1000.0) as u64;
        let mut mac = self.keyed.clone();
        mac.update(format!("{timestamp}.{body}").as_bytes());
        let signature = STANDARD.encode(mac.finalize().into_bytes());
        format!(
            "POST {PATH} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nX-Webhook-Timestamp: {timestamp}\r\n\
             X-Webhook-Signature: {signature}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }
}
