//! Reads settings one by one and remembers every problem, so that all are told at once.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use url::Url;

use super::{ConfigError, ConfigErrors, Strings};
use crate::secret::Secret;

/// Threads that make sense on any machine.
const MOST_THREADS: usize = 1024;

/// Settings being read.
pub(super) struct Reader<'a> {
    strings: &'a dyn Strings,
    problems: Vec<ConfigError>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(strings: &'a dyn Strings) -> Self {
        Self { strings, problems: Vec::new() }
    }

    /// Where names are looked up.
    pub(super) fn strings(&self) -> &'a dyn Strings {
        self.strings
    }

    /// Nothing, or all problems.
    pub(super) fn finish(self) -> Result<(), ConfigErrors> {
        if self.problems.is_empty() { Ok(()) } else { Err(ConfigErrors(self.problems)) }
    }

    /// Remembers a problem; gives `None`, for the setting's place.
    pub(super) fn problem<T>(&mut self, name: &str, problem: impl Into<String>) -> Option<T> {
        self.problems.push(ConfigError::new(name, problem));
        None
    }

    /// A setting's text without white space around it.
    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        match self.strings.get(name) {
            Ok(text) => text.map(|text| text.trim().to_owned()),
            Err(error) => {
                self.problems.push(error);
                None
            }
        }
    }

    /// A setting that is never shown.
    pub(super) fn secret(&mut self, name: &str) -> Option<Secret> {
        self.text(name).map(Secret::new)
    }

    /// A setting that parses as a `T`; `expected` says what that looks like.
    pub(super) fn parsed<T: FromStr<Err: Display>>(&mut self, name: &str, expected: &str) -> Option<T> {
        let text = self.text(name)?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(_) => self.problem(name, format!("is {text:?}, but must be {expected}")),
        }
    }

    /// Yes or no.
    pub(super) fn flag(&mut self, name: &str) -> Option<bool> {
        let text = self.text(name)?;
        match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Some(true),
            "false" | "no" | "off" | "0" => Some(false),
            _ => self.problem(name, format!("is {text:?}, but must be true or false")),
        }
    }

    /// A number of threads.
    pub(super) fn threads(&mut self, name: &str) -> Option<usize> {
        let expected = format!("a number of threads from 1 to {MOST_THREADS}");
        let threads = self.parsed(name, &expected)?;
        if (1..=MOST_THREADS).contains(&threads) {
            return Some(threads);
        }
        self.problem(name, format!("is {threads}, but must be {expected}"))
    }

    /// How often something is done: `Some(None)` when never.
    pub(super) fn interval(&mut self, name: &str) -> Option<Option<Duration>> {
        let text = self.text(name)?;
        if text == "off" {
            return Some(None);
        }
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let unit = match unit.trim() {
            "s" => Some(1),
            "m" => Some(60),
            "h" => Some(3600),
            _ => None,
        };
        let seconds = number.parse::<u64>().ok().zip(unit).and_then(|(number, unit)| number.checked_mul(unit));
        match seconds {
            Some(seconds @ 1..=86_400) => Some(Some(Duration::from_secs(seconds))),
            _ => self.problem(name, format!("is {text:?}, but must be off or 1s to 24h, e.g. 90s, 5m")),
        }
    }

    /// An address with one of these schemes. It is never quoted: there may be a password in it.
    pub(super) fn address(&mut self, name: &str, schemes: &[&str]) -> Option<Url> {
        let expected = schemes.iter().map(|scheme| format!("{scheme}://")).collect::<Vec<_>>().join(" or ");
        let Ok(url) = self.text(name)?.parse::<Url>() else {
            return self.problem(name, format!("is no address; it must begin with {expected}"));
        };
        if !schemes.contains(&url.scheme()) {
            return self.problem(name, format!("begins with {}:, but must begin with {expected}", url.scheme()));
        }
        Some(url)
    }

    /// The database's address, with its password.
    pub(super) fn database_url(&mut self, name: &str) -> Option<Secret> {
        let text = self.text(name)?;
        // A relative path, sqlite:store.db, is a fine address too.
        self.address(name, &["sqlite", "postgres", "postgresql"])?;
        Some(Secret::new(text))
    }
}
