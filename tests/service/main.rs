//! The service as it runs at somebody's: `trackscribe serve` processes on PostgreSQL and S3, with a Daily that sends signed
//! webhooks. Whatever dies or is away, each recording becomes a transcript once.

mod end_to_end;
mod outages;
mod secrets;
mod takeover;
mod world;
