//! The HTTP face: Daily's webhook, health, and the API. Knows what others may ask and how it is answered; what is done
//! about it lies behind [`Processing`] and [`ConsentDesk`].

mod api;
mod auth;
mod desks;
mod extract;
mod health;
mod limits;
mod looks;
mod observe;
mod problem;
mod router;
mod server;
mod stream;
mod webhook;
mod worker_pages;

pub use auth::ApiKey;
pub use desks::{AudioFate, ConsentDesk, ConsentScope, Notify, ProcessRefusal, Processing, RunAsked};
pub use health::{DatabaseReady, ReadyCheck};
pub use limits::Limits;
pub use problem::Problem;
pub use router::{HttpState, router};
pub use server::serve;
pub use worker_pages::{WorkerPages, WorkerReport, serve_pages};
