//! Webhook subscriptions: made, listed, deleted, and revived after Daily gave up on them.

use trackscribe::daily::DailyError;
use trackscribe::daily::subscriptions::{OwnSubscription, SubscriptionHealth, SubscriptionState, check_and_repair};
use trackscribe::daily::webhook::{EVENT_TYPES, WebhookSecret};
use trackscribe::failure::{Failure, FailureClass};
use url::Url;

use crate::stub::{Fault, WEBHOOK_SECRET};
use crate::support::Account;

const OTHER_SECRET: &str = "b3RoZXItc2VjcmV0LTAwMDAwMDAwMDAwMDAwMDAwMQ==";

fn ours() -> Url {
    "https://transcripts.example.com/v1/daily/webhook".parse().unwrap()
}

fn secret(text: &str) -> WebhookSecret {
    text.parse().unwrap()
}

#[tokio::test]
async fn a_subscription_asks_for_exactly_our_types_and_tells_its_secret() {
    let account = Account::start().await;
    let made = account.run(account.client.create_webhook(&ours(), None)).await.unwrap();
    assert_eq!(made.secret, Some(secret(WEBHOOK_SECRET)));
    assert_eq!(
        (made.event_types.as_slice(), made.state.clone()),
        (&EVENT_TYPES.map(str::to_owned)[..], SubscriptionState::Active)
    );
    assert!(!format!("{made:?}").contains(WEBHOOK_SECRET));
    assert_eq!(account.run(account.client.webhooks()).await.unwrap(), std::slice::from_ref(&made));

    let own = account.run(account.client.create_webhook(&ours(), Some(&secret(OTHER_SECRET)))).await.unwrap();
    assert_eq!(own.secret, Some(secret(OTHER_SECRET)));

    account.run(account.client.delete_webhook(&made.id)).await.unwrap();
    assert_eq!(account.run(account.client.webhooks()).await.unwrap(), [own]);
    let error = account.run(account.client.delete_webhook(&made.id)).await.unwrap_err();
    assert!(matches!(error, DailyError::Unknown { what: "webhook", .. }), "{error}");
}

#[tokio::test]
async fn an_address_that_does_not_answer_is_told_in_dailys_words() {
    let account = Account::start().await;
    account.stub.probe_webhooks();
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let url = format!("http://{closed}/v1/daily/webhook").parse().unwrap();
    let error = account.run(account.client.create_webhook(&url, None)).await.unwrap_err();
    assert_eq!(error.class(), FailureClass::Permanent);
    assert!(error.to_string().contains("non-200 status code returned from webhook endpoint"), "{error}");
}

#[tokio::test]
async fn nothing_is_subscribed_twice_because_an_answer_was_lost() {
    for fault in [Fault::Status(500), Fault::CutBody, Fault::Garbage] {
        let account = Account::start().await;
        account.stub.fault("/webhooks", fault, 1);
        let error = account.run(account.client.create_webhook(&ours(), None)).await.unwrap_err();
        assert_eq!(error.class(), FailureClass::Retryable, "{error}");
        assert_eq!(account.stub.asked().len(), 1);
    }
    let account = Account::start().await;
    account.stub.fault("/webhooks", Fault::TooMany(Some("1".to_owned())), 2);
    account.run(account.client.create_webhook(&ours(), None)).await.unwrap();
    assert_eq!(account.stub.webhooks().len(), 1);
}

async fn check(account: &Account, own: &OwnSubscription, repair: bool) -> SubscriptionHealth {
    account.run(check_and_repair(&account.client, own, repair)).await.unwrap()
}

#[tokio::test]
async fn a_failed_subscription_is_reported_and_revived_only_where_that_is_allowed() {
    let account = Account::start().await;
    let url = ours().to_string();
    let own = OwnSubscription { url: Some(ours()), secret: Some(secret(WEBHOOK_SECRET)) };
    assert_eq!(check(&account, &own, true).await, SubscriptionHealth::Missing);
    let made = account.run(account.client.create_webhook(&ours(), own.secret.as_ref())).await.unwrap();
    assert_eq!(check(&account, &own, true).await, SubscriptionHealth::Active { url: url.clone() });

    account.stub.fail_webhook(&made.id);
    let health = check(&account, &own, false).await;
    assert!(!health.is_active() && health.to_string().contains("FAILED after 3 failed deliveries"), "{health}");
    assert_eq!(account.stub.webhooks()[0]["state"], "FAILED");

    assert_eq!(check(&account, &own, true).await, SubscriptionHealth::Repaired { url: url.clone() });
    let now = &account.stub.webhooks()[0];
    assert_eq!((&now["state"], &now["url"]), (&"ACTIVE".into(), &url.as_str().into()));
    assert_eq!(now["hmac"], WEBHOOK_SECRET, "a repair keeps the secret");
    assert_eq!(check(&account, &own, true).await, SubscriptionHealth::Active { url });
}

#[tokio::test]
async fn a_repair_that_daily_refuses_is_a_report_and_no_error() {
    let account = Account::start().await;
    let url: Url = "http://127.0.0.1:9/v1/daily/webhook".parse().unwrap();
    let made = account.run(account.client.create_webhook(&url, None)).await.unwrap();
    account.stub.fail_webhook(&made.id);
    account.stub.probe_webhooks();
    let health = check(&account, &OwnSubscription { url: Some(url), secret: None }, true).await;
    assert!(matches!(&health, SubscriptionHealth::Failed { why, .. } if why.contains("non-200")), "{health}");
    assert!(health.to_string().contains("DAILY_WEBHOOK_URL"), "what to do is told: {health}");
}

#[tokio::test]
async fn a_service_knows_its_subscription_by_address_by_secret_or_by_path() {
    let account = Account::start().await;
    let theirs: Url = "https://staging.example.com/v1/daily/webhook".parse().unwrap();
    account.run(account.client.create_webhook(&theirs, Some(&secret(OTHER_SECRET)))).await.unwrap();
    let of = |url: Option<Url>, own: Option<&str>| OwnSubscription { url, secret: own.map(secret) };

    let found = check(&account, &of(None, Some(OTHER_SECRET)), false).await;
    assert_eq!(found, SubscriptionHealth::Active { url: theirs.to_string() });
    let found = check(&account, &of(None, None), false).await;
    assert_eq!(found, SubscriptionHealth::Active { url: theirs.to_string() });
    assert_eq!(check(&account, &of(None, Some(WEBHOOK_SECRET)), false).await, SubscriptionHealth::Missing);
    assert_eq!(check(&account, &of(Some(ours()), None), false).await, SubscriptionHealth::Missing);
    let refused = check(&account, &of(Some(theirs.clone()), Some(WEBHOOK_SECRET)), true).await;
    assert_eq!(refused, SubscriptionHealth::OtherSecret { url: theirs.to_string() });
    assert!(refused.to_string().contains("DAILY_WEBHOOK_SECRET") && !refused.to_string().contains(OTHER_SECRET));
}
