//! Holds README's table of settings and `.env.example` to the program's own list. `UPDATE=1 cargo test --test settings`
//! writes them anew. The end of `.env.example` is docker-compose.yml's, to which tests/containers holds it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use trackscribe::config::{SETTINGS, names};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn readme_table() -> String {
    let mut table = "| name | default | meaning |\n|---|---|---|\n".to_owned();
    for setting in SETTINGS {
        let names = setting.names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        writeln!(table, "| {names} | {} | {} |", setting.default, setting.what).unwrap();
    }
    table
}

/// A cell of the table as a comment: a name or an address at its beginning is left as it is.
fn sentence(what: &str) -> String {
    let plain = what.replace('`', "");
    if what.starts_with('`') { plain } else { format!("{}{}", plain[..1].to_uppercase(), &plain[1..]) }
}

/// All settings, each commented out, with what it is and a value as it could be.
fn env_example() -> String {
    let mut file = "# Copy this to .env in the folder that trackscribe is started in. What the environment sets counts for more.\n\
                    # Put values with a $, a # or spaces between single quotes. README.md tells more of each setting.\n"
        .to_owned();
    for setting in SETTINGS {
        let what = sentence(setting.what);
        let default = setting.default.replace('`', "");
        writeln!(file, "\n# {what}").unwrap();
        if !default.is_empty() {
            writeln!(file, "# Default: {default}").unwrap();
        }
        for (name, example) in setting.names.iter().zip(setting.examples) {
            writeln!(file, "#{name}={example}").unwrap();
        }
    }
    file
}

/// The file with its table of settings replaced.
fn with_table(readme: &str) -> String {
    let section = readme.find("\n## Settings\n").expect("README has a section Settings");
    let start = section + readme[section..].find("\n|").expect("a table") + 1;
    let length = readme[start..].find("\n\n").expect("text behind the table") + 1;
    format!("{}{}{}", &readme[..start], readme_table(), &readme[start + length..])
}

fn hold(name: &str, wanted: &str) {
    let path = path(name);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = found.lines().zip(wanted.lines()).find(|(found, wanted)| found != wanted);
    assert!(
        found == wanted,
        "{name} is not as src/config/settings.rs says: {differs:?}; UPDATE=1 cargo test --test settings"
    );
}

#[test]
fn readme_has_the_table_of_settings() {
    let readme = std::fs::read_to_string(path("README.md")).unwrap();
    hold("README.md", &with_table(&readme));
}

#[test]
fn env_example_has_every_setting() {
    let found = std::fs::read_to_string(path(".env.example")).unwrap_or_default();
    let rest = found.find("\n# ────").map_or("", |at| &found[at..]);
    hold(".env.example", &format!("{}{rest}", env_example()));
}

#[test]
fn every_setting_has_an_example_and_every_name_is_in_the_list() {
    let listed: Vec<&str> = SETTINGS.iter().flat_map(|setting| setting.names.iter().copied()).collect();
    assert!(SETTINGS.iter().all(|setting| setting.names.len() == setting.examples.len()));
    let mut unique = listed.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), listed.len());
    for name in [names::BIND, names::DATABASE_URL, names::STORAGE_URL, names::DAILY_API_URL, names::RUST_LOG] {
        assert!(listed.contains(&name), "{name}");
    }
}
