//! Sends signed webhook deliveries as `scripts/bench webhook` needs them, and says how long they took.
//!
//! * `steady ADDRESS SECRET RUN RATE SECONDS`: RATE deliveries a second, whether or not earlier ones were answered. Each
//!   one's time counts from when it should have been sent, so that a server that stops for a while can't hide it.
//! * `highest ADDRESS SECRET RUN SECONDS`: looks for the highest such rate that is held, with all answered well.
//! * `flood ADDRESS SECRET RUN SECONDS`: as many as are answered, each connection sending the next at once.
//! * `empty ADDRESS`: an axum handler that does nothing, to compare with.
//! * `count DATABASE_URL RUN`: how many of the run's deliveries are stored.
//!
//! RUN is what the deliveries' ids begin with, so that none is like one of another run. It stands at the end of the line that is
//! printed; that of the rate that was held, where one was looked for.

mod connection;
mod delivery;
mod load;
mod report;

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::routing::post;
use sqlx::Row as _;
use trackscribe::store::Database;

use self::load::{Load, flood, steady};

type Failed = Box<dyn Error + Send + Sync>;

/// Short runs that look for the highest rate last so long.
const LOOK: Duration = Duration::from_secs(5);
/// The rate that the search begins with.
const FIRST_RATE: f64 = 250.0;
/// The search ends when the next rate to try is nearer than this to the highest that was held.
const NEAR: f64 = 1.05;

#[tokio::main]
async fn main() -> Result<(), Failed> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["steady", address, secret, run, rate, seconds] => {
            let load = Load::new(address.parse()?, secret, run)?;
            println!("{} {run}", steady(&load, rate.parse()?, duration(seconds)?).await);
        }
        ["highest", address, secret, run, seconds] => {
            println!("{}", highest(address.parse()?, secret, run, duration(seconds)?).await?);
        }
        ["flood", address, secret, run, seconds] => {
            let load = Load::new(address.parse()?, secret, run)?;
            println!("{} {run}", flood(&load, duration(seconds)?).await);
        }
        ["empty", address] => {
            let listener = tokio::net::TcpListener::bind(address.parse::<SocketAddr>()?).await?;
            axum::serve(listener, Router::new().route(delivery::PATH, post(async || "{}"))).await?;
        }
        ["count", url, run] => {
            let database = Database::open(url).await?;
            let sql = "SELECT COUNT(*) FROM daily_events WHERE id LIKE $1";
            let row = sqlx::query(sql).bind(format!("{run}-%")).fetch_one(database.pool()).await?;
            println!("{}", row.try_get::<i64, _>(0)?);
        }
        _ => return Err("usage: see the beginning of examples/webhook_load/main.rs".into()),
    }
    Ok(())
}

fn duration(seconds: &str) -> Result<Duration, Failed> {
    Ok(Duration::from_secs_f64(seconds.parse()?))
}

/// The report of the highest rate that was held for `hold`, and the name of that run.
async fn highest(address: SocketAddr, secret: &str, run: &str, hold: Duration) -> Result<String, Failed> {
    let look = Load::new(address, secret, &format!("{run}-look"))?;
    let (mut held, mut lost) = (FIRST_RATE, None::<f64>);
    loop {
        let rate = lost.map_or(held * 2.0, |lost| (held * lost).sqrt());
        if lost.is_some_and(|lost| lost / held < NEAR) {
            break;
        }
        let report = steady(&look, rate, LOOK.min(hold)).await;
        eprintln!("looking: {report}");
        if report.is_held() {
            held = rate
        } else {
            lost = Some(rate)
        }
        // What was late is not the next one's fault.
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    for try_number in 1.. {
        let name = format!("{run}-hold{try_number}");
        let report = steady(&Load::new(address, secret, &name)?, held, hold).await;
        eprintln!("holding: {report}");
        if report.is_held() {
            return Ok(format!("{report} {name}"));
        }
        if held < 1.0 {
            break;
        }
        held /= NEAR;
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    Err("no rate was held".into())
}
