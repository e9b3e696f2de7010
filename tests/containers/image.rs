//! Dockerfile and .dockerignore against what the build needs.

use std::collections::BTreeSet;

use crate::text;

fn version(text: &str) -> Vec<u32> {
    text.split('.').map(|part| part.parse().unwrap_or_else(|_| panic!("{text}"))).collect()
}

#[test]
fn the_image_is_built_by_a_rust_that_is_new_enough() {
    let dockerfile = text("Dockerfile");
    let rust = dockerfile.lines().find_map(|line| line.strip_prefix("ARG RUST=")).expect("ARG RUST");
    let manifest: toml::Table = toml::from_str(&text("Cargo.toml")).unwrap();
    let wanted = manifest["package"]["rust-version"].as_str().unwrap();
    assert!(version(rust) >= version(wanted), "{rust} is older than {wanted}");
}

#[test]
fn build_and_runtime_are_of_one_debian_and_the_program_is_not_root() {
    let dockerfile = text("Dockerfile");
    let bases: Vec<_> = dockerfile.lines().filter_map(|line| line.strip_prefix("FROM ")).collect();
    assert!(bases.len() == 2 && bases.iter().all(|base| base.contains("trixie")), "{bases:?}");
    let (_, runtime) = dockerfile.rsplit_once("FROM ").unwrap();
    let user = runtime.lines().find_map(|line| line.strip_prefix("USER ")).expect("USER");
    assert!(user.split(':').all(|id| id.parse::<u32>().is_ok_and(|id| id > 0)), "{user}");
    assert!(runtime.contains("ENTRYPOINT [\"trackscribe\"]"));
}

#[test]
fn the_build_is_given_all_that_it_reads_and_nothing_else() {
    let given: BTreeSet<String> =
        text(".dockerignore").lines().filter_map(|line| line.strip_prefix('!')).map(str::to_owned).collect();
    let read = ["build.rs", "Cargo.toml", "Cargo.lock", ".cargo", "src", "migrations", "workflows", "docker/is-ready"];
    let shown = ["README.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE"];
    assert_eq!(given, read.into_iter().chain(shown).map(str::to_owned).collect());
    let everything_else = text(".dockerignore").lines().any(|line| line == "*");
    assert!(everything_else);
}

#[test]
fn whisper_is_not_built_for_the_building_machine_alone() {
    let cargo: toml::Table = toml::from_str(&text(".cargo/config.toml")).unwrap();
    assert_eq!(cargo["env"]["GGML_NATIVE"].as_str(), Some("OFF"));
}
