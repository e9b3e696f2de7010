//! Measures what our Hatchet worker costs, for `scripts/bench hatchet`: tasks that do nothing, so that all that is left is the
//! engine, the way there, and us. Needs an engine: `HATCHET_CLIENT_*` as for `trackscribe worker`.
//!
//! `hatchet_load worker` executes until it is told to stop; `hatchet_load noop 2000`, `join 200` and `dag 5` start runs and print
//! one line of JSON each.

mod drive;
mod toys;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use trackscribe::clock::{SharedClock, SystemClock};
use trackscribe::engine::hatchet::{
    Account, Connection, HatchetEngine, Pace, Rest, Settings, Tls, Worker, WorkerOptions,
};
use trackscribe::secret::Secret;
use trackscribe::workflow::Pool;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let clock: SharedClock = Arc::new(SystemClock);
    let account = Account::new(settings()?, clock.now())?;
    let rest = Rest::prepare(&account).await?;
    let connection = Connection::prepare(account).await?;
    let registry = toys::registry()?;
    let count = |text: &str| text.parse::<usize>().context("how many?");
    match arguments.as_slice() {
        ["worker"] => {
            let options = WorkerOptions {
                name: "load".to_owned(),
                pools: BTreeSet::from(Pool::ALL),
                allow_foreign: true,
                grace: Duration::from_secs(1),
                pace: Pace::default(),
            };
            let worker = Worker::start(connection, rest, registry, options, clock).await?;
            tokio::signal::ctrl_c().await?;
            worker.stop().await;
            Ok(())
        }
        [what, n] => {
            let engine = Arc::new(HatchetEngine::new(connection, rest, registry.definitions().clone(), clock));
            drive::measure(&engine, what, count(n)?).await
        }
        _ => bail!("usage: hatchet_load worker | noop N | join CHILDREN | dag N"),
    }
}

fn settings() -> anyhow::Result<Settings> {
    let var = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let tls = if var("HATCHET_CLIENT_TLS_STRATEGY").as_deref() == Some("none") { Tls::None } else { Tls::System };
    Ok(Settings {
        token: Secret::new(var("HATCHET_CLIENT_TOKEN").context("HATCHET_CLIENT_TOKEN is not set")?),
        tenant: var("HATCHET_CLIENT_TENANT_ID"),
        host_port: var("HATCHET_CLIENT_HOST_PORT"),
        server_url: var("HATCHET_CLIENT_SERVER_URL").map(|url| url.parse()).transpose()?,
        namespace: var("HATCHET_CLIENT_NAMESPACE").unwrap_or_default(),
        tls,
        server_name: None,
    })
}
