//! Storage: the same promises kept by a folder and by a real S3 server, and what each failure of a server means.

#[path = "../servers/s3.rs"]
mod s3;

mod chain;
mod contract;
mod faults;
mod refusals;
mod support;
mod two_gigabytes;
