//! What a serving process does beside answering: the duties that one process does for all, and a look at the webhook
//! subscription.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Service, webhook_secret};
use crate::cli::exit::Exit;
use crate::clock::SharedClock;
use crate::config::{Config, Patterns, Rooms};
use crate::consent::DELETE_AUDIO;
use crate::daily::DailyClient;
use crate::daily::subscriptions::{OwnSubscription, SubscriptionHealth, check_and_repair};
use crate::notify::{DELETE_OBJECT, Deliver, ObjectDeletions, Outbox};
use crate::secret::redacted;
use crate::trigger::{Inbox, Intake, Poller, Reconciler, RoomPolicy, Wakers, Watch};

/// How often the subscription is looked at.
const SUBSCRIPTION: Duration = Duration::from_secs(300);

/// Everything that goes on in the background.
pub struct Duties {
    watch: Watch,
    subscription: Option<Looking>,
}

/// Looks at our subscription to Daily's webhooks.
struct Looking {
    client: DailyClient,
    own: OwnSubscription,
    repair: bool,
    clock: SharedClock,
    found: watch::Sender<Option<SubscriptionHealth>>,
}

impl Duties {
    /// What the settings ask for. What Daily is needed for is left out while its settings are missing.
    ///
    /// # Errors
    /// The way the program is to end.
    pub fn new(service: &Service, config: &Config) -> Result<Self, Exit> {
        let clock = Arc::clone(&service.clock);
        let intake = Intake {
            trigger: service.trigger.clone(),
            database: service.database.clone(),
            rooms: room_policy(config.rooms.as_ref()),
        };
        let poller = Poller { intake: intake.clone(), daily: Arc::clone(&service.daily), clock: Arc::clone(&clock) };
        let deletions =
            ObjectDeletions { originals: Arc::clone(&service.originals), derived: Arc::clone(&service.storage) };
        let effects: [(&'static str, Arc<dyn Deliver>); 2] =
            [(DELETE_OBJECT, Arc::new(deletions)), (DELETE_AUDIO, service.consent.clone())];
        let watch = Watch {
            database: service.database.clone(),
            clock: Arc::clone(&clock),
            holder: format!("process {} {}", std::process::id(), Uuid::now_v7()),
            inbox: Inbox::new(intake, Arc::clone(&service.daily), Arc::clone(&clock)),
            poller: config.poll_interval.filter(|_| service.can_ask_daily()).map(|every| (poller, every)),
            reconciler: Reconciler::new(service.trigger.clone()),
            outbox: Outbox::new(service.database.clone(), Arc::clone(&clock), effects),
            wakers: Wakers::default(),
        };
        let subscription = match (&service.daily_client, webhook_secret(config)?) {
            (Some(client), Some(secret)) => Some(Looking {
                client: client.clone(),
                own: OwnSubscription { url: config.daily.webhook_url.clone(), secret: Some(secret) },
                repair: config.daily.webhook_url.is_some(),
                clock,
                found: watch::Sender::new(None),
            }),
            // No webhook is taken, or nothing can be asked of Daily.
            _ => None,
        };
        Ok(Self { watch, subscription })
    }

    /// Makes this process look at once.
    pub fn wakers(&self) -> &Wakers {
        &self.watch.wakers
    }

    /// What the subscription was last found to be; `None` where nobody looks.
    pub fn subscription(&self) -> Option<watch::Receiver<Option<SubscriptionHealth>>> {
        self.subscription.as_ref().map(|looking| looking.found.subscribe())
    }

    /// Goes on until `stop`.
    pub async fn run(&self, stop: &CancellationToken) {
        let looking = async {
            if let Some(looking) = &self.subscription {
                tokio::select! {
                    () = looking.run() => {}
                    () = stop.cancelled() => {}
                }
            }
        };
        tokio::join!(self.watch.run(stop), looking);
    }
}

impl Looking {
    async fn run(&self) {
        loop {
            match check_and_repair(&self.client, &self.own, self.repair).await {
                Ok(health) => {
                    self.found.send_replace(Some(health));
                }
                Err(error) => {
                    tracing::warn!(error = redacted(&error.to_string()), "the webhook subscription can't be looked at");
                }
            }
            self.clock.sleep_until(self.clock.now().plus(SUBSCRIPTION)).await;
        }
    }
}

/// Which rooms' recordings are processed.
pub fn room_policy(rooms: Option<&Rooms>) -> RoomPolicy {
    match rooms {
        None => RoomPolicy::Unsaid,
        Some(Rooms::All) => RoomPolicy::All,
        Some(Rooms::Configured) => RoomPolicy::Configured,
        Some(Rooms::Pattern(Patterns(patterns))) => RoomPolicy::patterns(patterns),
    }
}
