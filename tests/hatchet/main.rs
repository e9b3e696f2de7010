//! Hatchet: our worker and client against a protocol double, and, with `HATCHET_CLIENT_TOKEN` set, against a real engine.

mod double;
mod raw;
mod support;

mod failing;
mod fan_out;
mod measured;
mod outcomes;
mod rates;
mod real;
mod reconnecting;
mod sizes;
mod starting;
mod stopping;
mod tls;
mod wire;
