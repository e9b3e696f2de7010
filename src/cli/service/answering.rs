//! What answering needs, as the settings say.

use std::sync::Arc;

use super::desks::{Answers, Runs};
use super::ready::{DailyReady, OutboxReady, PlaceReady, SubscriptionReady};
use super::{Duties, Service, webhook_secret};
use crate::cli::exit::Exit;
use crate::config::Config;
use crate::http::{DatabaseReady, HttpState, Limits, ReadyCheck};

/// What answering needs.
///
/// # Errors
/// The way the program is to end.
pub fn http_state(
    service: &Service,
    config: &Config,
    duties: &Duties,
    engine: Arc<dyn ReadyCheck>,
) -> Result<HttpState, Exit> {
    let mut checks: Vec<Arc<dyn ReadyCheck>> = vec![
        Arc::new(DatabaseReady(service.database.clone())),
        Arc::new(PlaceReady { name: "storage", place: Arc::clone(&service.storage) }),
        Arc::new(PlaceReady { name: "recordings", place: Arc::clone(&service.originals) }),
        Arc::new(DailyReady { daily: Arc::clone(&service.daily), missing: service.missing.clone() }),
        engine,
        Arc::new(OutboxReady(service.database.clone())),
    ];
    if let Some(found) = duties.subscription() {
        checks.push(Arc::new(SubscriptionReady(found)));
    }
    Ok(HttpState {
        database: service.database.clone(),
        clock: Arc::clone(&service.clock),
        webhook_secret: webhook_secret(config)?,
        inbox: Arc::clone(&duties.wakers().inbox),
        processing: Arc::new(Runs(service.trigger.clone())),
        consent: Arc::new(Answers {
            database: service.database.clone(),
            consent: Arc::clone(&service.consent),
            trigger: service.trigger.clone(),
        }),
        checks,
        limits: Limits::default(),
    })
}
