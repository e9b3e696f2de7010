//! Runs the scripts of docker/.

use std::collections::BTreeMap;
use std::process::Command;

use sha2::{Digest as _, Sha256};

use crate::repository;

/// How a script ended.
pub struct Ended {
    /// Its exit code.
    pub code: i32,
    /// What it said on either output.
    pub said: String,
}

/// Runs a script of docker/ with these settings.
pub fn run(script: &str, settings: &[(&str, &str)]) -> Ended {
    let settings: BTreeMap<_, _> = settings.iter().copied().collect();
    let mut command = Command::new("sh");
    // The servers are on this machine, whatever proxy leads away from it.
    command.arg(repository("docker").join(script)).envs(settings).env("no_proxy", "*");
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    Ended { code: output.status.code().unwrap_or(-1), said }
}

/// In lower case.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
