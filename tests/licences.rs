//! Every crate that is built into the program has a licence that deny.toml allows. Offline: cargo knows the licences of
//! what it has built.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

/// Whether a licence expression can be met with the allowed ones: `OR` leaves a choice, `AND` none.
fn is_met(expression: &str, is_allowed: &dyn Fn(&str) -> bool) -> bool {
    let expression = expression.trim();
    if is_allowed(expression) {
        return true;
    }
    // Older crates write a slash where others write OR.
    for (word, all) in [(" OR ", false), ("/", false), (" AND ", true)] {
        let parts = split(expression, word);
        if parts.len() > 1 {
            let mut met = parts.iter().map(|part| is_met(part, is_allowed));
            return if all { met.all(|met| met) } else { met.any(|met| met) };
        }
    }
    let inside = expression.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
    inside.is_some_and(|inside| is_met(inside, is_allowed))
}

/// Splits at `word` outside of parentheses.
fn split<'a>(expression: &'a str, word: &str) -> Vec<&'a str> {
    let (mut parts, mut start) = (Vec::new(), 0);
    for (at, _) in expression.match_indices(word) {
        let before = &expression[..at];
        if before.matches('(').count() == before.matches(')').count() {
            parts.push(&expression[start..at]);
            start = at + word.len();
        }
    }
    parts.push(&expression[start..]);
    parts
}

#[test]
fn expressions_are_understood() {
    let allowed = |licence: &str| ["MIT", "BSD-3-Clause"].contains(&licence);
    for (expression, met) in [
        ("MIT OR Apache-2.0", true),
        ("Apache-2.0/MIT", true),
        ("(MIT OR Apache-2.0) AND BSD-3-Clause", true),
        ("MIT AND GPL-3.0", false),
        ("GPL-3.0 OR (MIT AND GPL-2.0)", false),
        ("", false),
    ] {
        assert_eq!(is_met(expression, &allowed), met, "{expression}");
    }
}

#[test]
fn every_dependency_has_a_licence_that_is_allowed() {
    let folder = env!("CARGO_MANIFEST_DIR");
    let deny: toml::Table = toml::from_str(&std::fs::read_to_string(format!("{folder}/deny.toml")).unwrap()).unwrap();
    let words = |list: &toml::Value| -> BTreeSet<String> {
        list.as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
    };
    let licenses = &deny["licenses"];
    let allowed = words(&licenses["allow"]);
    let exceptions = licenses["exceptions"].as_array().unwrap();

    let rustc = Command::new("rustc").arg("-vV").output().unwrap();
    let about = String::from_utf8(rustc.stdout).unwrap();
    let host = about.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--locked", "--offline", "--filter-platform", host])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 100);
    for package in packages {
        let name = package["name"].as_str().unwrap();
        let licence = package["license"].as_str().unwrap_or_default();
        let exception = exceptions.iter().find(|exception| exception["crate"].as_str() == Some(name));
        let excepted = exception.map(|exception| words(&exception["allow"])).unwrap_or_default();
        let is_allowed = |licence: &str| allowed.contains(licence) || excepted.contains(licence);
        assert!(is_met(licence, &is_allowed), "{name}: {licence:?} is not allowed by deny.toml");
    }
}
