//! The service as it runs at somebody's: `trackscribe serve` processes on PostgreSQL and S3, with a Daily that sends signed
//! webhooks. Whatever dies or is away, each recording becomes a transcript once.

#[allow(dead_code, unused_imports, reason = "Hatchet's own tests use all of it")]
#[path = "../hatchet/double/mod.rs"]
mod double;
mod end_to_end;
mod hatchet;
mod on_hatchet;
mod outages;
mod secrets;
mod takeover;
mod world;
