//! `trackscribe daily webhook`: the subscription by which Daily tells that a recording is ready.

use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use url::Url;

use super::daily_account;
use super::exit::Exit;
use crate::clock::SystemClock;
use crate::config::{Config, names};
use crate::daily::DailyClient;
use crate::daily::subscriptions::{Subscription, WEBHOOK_PATH};
use crate::daily::webhook::WebhookSecret;

/// Manage what Daily.co tells this service
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum What {
    /// Manage webhook subscriptions
    #[command(subcommand)]
    Webhook(Webhook),
}

#[derive(Debug, Clone, clap::Subcommand)]
enum Webhook {
    /// Subscribe the running service to Daily's events
    ///
    /// Daily posts a test delivery to the address at once, so the service must be reachable there already. Deliveries are signed
    /// with DAILY_WEBHOOK_SECRET where it is set; else Daily makes a secret up, which is printed this once.
    Create {
        /// Where Daily reaches the service, e.g. https://transcripts.example.com/v1/daily/webhook [default: DAILY_WEBHOOK_URL]
        #[arg(long, value_name = "URL")]
        url: Option<Url>,
    },
    /// Show the domain's subscriptions
    List,
    /// Take a subscription away
    Delete {
        /// As `list` shows it
        id: String,
    },
}

/// Does what was asked.
///
/// # Errors
/// The way the program is to end.
pub fn run(args: &Args, config: &Config) -> Result<(), Exit> {
    let What::Webhook(what) = &args.what;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting the program's threads")
        .map_err(Exit::Failed)?;
    let client = daily_account::client(&config.daily, Arc::new(SystemClock))?;
    runtime.block_on(async {
        match what {
            Webhook::Create { url } => {
                let url = url.as_ref().or(config.daily.webhook_url.as_ref()).ok_or_else(|| {
                    Exit::bad_input(anyhow!(
                        "where does Daily reach the service? Give --url or set {}",
                        names::DAILY_WEBHOOK_URL
                    ))
                })?;
                create(&client, url, config).await
            }
            Webhook::List => {
                print!("{}", table(&client.webhooks().await.map_err(Exit::of)?));
                Ok(())
            }
            Webhook::Delete { id } => {
                client.delete_webhook(id).await.map_err(Exit::of)?;
                println!("deleted {id}: Daily tells that address nothing more");
                Ok(())
            }
        }
    })
}

async fn create(client: &DailyClient, url: &Url, config: &Config) -> Result<(), Exit> {
    let configured: Option<WebhookSecret> = match &config.daily.webhook_secret {
        Some(secret) => Some(secret.reveal().parse().map_err(Exit::of)?),
        None => None,
    };
    let same = client.webhooks().await.map_err(Exit::of)?.into_iter().find(|one| one.url == url.as_str());
    if let Some(same) = same {
        return Err(Exit::bad_input(anyhow!(
            "{url} has a subscription already: {} ({}). A second one would deliver everything twice; to begin anew, \
             `trackscribe daily webhook delete {}` first",
            same.id,
            same.state,
            same.id
        )));
    }
    if !url.path().ends_with(WEBHOOK_PATH) {
        eprintln!("note: the service takes deliveries at {WEBHOOK_PATH}, and this address ends otherwise");
    }
    let made = client.create_webhook(url, configured.as_ref()).await.map_err(|error| match Exit::of(error) {
        Exit::BadInput(error) => Exit::BadInput(error.context(format!(
            "Daily did not take {url}: it must answer a POST of {{\"test\":\"test\"}} with 200, from the internet"
        ))),
        other => other,
    })?;
    println!("created {}: Daily delivers to {url}", made.id);
    // So that the service repairs the subscription when Daily gives it up.
    let address =
        (config.daily.webhook_url.as_ref() != Some(url)).then(|| format!("{}={url}", names::DAILY_WEBHOOK_URL));
    match (configured, made.secret) {
        (Some(own), Some(told)) if own != told => print_new(&told, address),
        (None, Some(told)) => print_new(&told, address),
        (Some(_), _) => {
            println!("Deliveries are signed with DAILY_WEBHOOK_SECRET as it is set here.");
            if let Some(address) = address {
                println!("Set this for the service, so that it has the subscription repaired:\n\n{address}");
            }
        }
        (None, None) => {
            let problem = "Daily told no secret: delete the subscription, set a base64 DAILY_WEBHOOK_SECRET of your own, and create it again";
            return Err(Exit::Failed(anyhow!("{problem}")));
        }
    }
    Ok(())
}

/// What the service has to be told of a subscription whose secret Daily made up.
fn print_new(secret: &WebhookSecret, address: Option<String>) {
    println!("Set this for the service and start it again; the secret is not shown a second time:\n");
    println!("{}={}", names::DAILY_WEBHOOK_SECRET, secret.to_base64().reveal());
    if let Some(address) = address {
        println!("{address}");
    }
}

fn table(subscriptions: &[Subscription]) -> String {
    if subscriptions.is_empty() {
        return "no subscriptions: make one with `trackscribe daily webhook create --url …`\n".to_owned();
    }
    let mut text = String::new();
    for one in subscriptions {
        let failures =
            if one.failed_count > 0 { format!(", {} failed in a row", one.failed_count) } else { String::new() };
        let last = one.last_pushed.as_deref().unwrap_or("never");
        text.push_str(&format!("{}  {}{failures}  {}\n    last delivery: {last}\n", one.id, one.state, one.url));
        text.push_str(&format!("    events: {}\n", one.event_types.join(", ")));
        let missing = one.missing_types();
        if !missing.is_empty() && one.url.ends_with(WEBHOOK_PATH) {
            text.push_str(&format!("    not asked for, though trackscribe uses them: {}\n", missing.join(", ")));
        }
    }
    text
}
