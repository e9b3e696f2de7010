//! Which engines can be worked with: those that know slot types, because parents that wait have one of their own.

use std::fmt;

/// The first with slot types.
const OLDEST: Version = Version { major: 0, minor: 78, patch: 23 };

/// An engine's version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version {
    major: u32,
    minor: u32,
    patch: u32,
}

impl Version {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim().trim_start_matches('v');
        // What follows a - or + says more about the build.
        let plain = text.split(['-', '+']).next()?;
        let mut parts = plain.split('.').map(|part| part.parse().ok());
        let (major, minor, patch) = (parts.next()??, parts.next()??, parts.next()??);
        parts.next().is_none().then_some(Self { major, minor, patch })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// Why an engine that calls itself `told` can't be worked with; `None` when it can.
pub(super) fn too_old(told: &str) -> Option<String> {
    match Version::parse(told) {
        Some(version) if version >= OLDEST => None,
        Some(version) => Some(format!(
            "Hatchet's engine is {version}, but slot types need {OLDEST} or newer: update the engine (one that was built \
             by hand says what SERVER_VERSION_OVERRIDE says)"
        )),
        None if told.is_empty() => Some(format!(
            "Hatchet's engine does not say its version, so it is older than {OLDEST}, which slot types need: update it"
        )),
        None => {
            Some(format!("Hatchet's engine calls its version {told:?}, which is none; {OLDEST} or newer is needed"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_without_slot_types_are_refused_with_their_version() {
        for new in ["v0.78.23", "v0.104.7", "0.80.0", "v1.0.0", "v0.104.7-alpha.1+build"] {
            assert_eq!(too_old(new), None, "{new}");
        }
        for old in ["v0.78.22", "v0.1.0-alpha.0", "0.9.99", "", "dev", "v1.2", "v0.104.7.1", "v0.x.1"] {
            let why = too_old(old).expect(old);
            assert!(why.contains("v0.78.23"), "{why}");
        }
        assert!(too_old("v0.50.1").unwrap().contains("v0.50.1"));
    }
}
