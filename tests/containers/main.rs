//! What stands beside the program when it runs in containers: docker-compose.yml and Dockerfile, held to each other and to the
//! program without a container engine; and the shell scripts of docker/, run as the containers run them.

mod compose;
mod compose_file;
mod image;
mod model;
mod ready;
#[path = "../servers/s3.rs"]
mod s3;
mod s3_bucket;
mod scripts;
mod token;
mod web;

use std::path::{Path, PathBuf};

/// A file of the repository.
fn repository(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The same, read.
fn text(name: &str) -> String {
    std::fs::read_to_string(repository(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}
