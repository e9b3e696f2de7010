//! What a database's address says: which database it is, and whether the address can be used at all.

use std::path::PathBuf;
use std::str::FromStr;

use sqlx::any::AnyConnectOptions;
use sqlx::postgres::PgConnectOptions;
use url::Url;

use crate::secret::redacted;
use crate::store::StoreError;

/// How a database's sessions are called in the server's own lists, unless the address says otherwise.
const APPLICATION: &str = "trackscribe";

/// Where a database is.
#[derive(Debug)]
pub(super) enum Address {
    /// A file of SQLite.
    File(PathBuf),
    /// A database of a PostgreSQL server.
    Server(AnyConnectOptions),
}

/// Reads an address.
///
/// # Errors
/// [`StoreError::BadUrl`], without the password.
pub(super) fn parse(url: &str) -> Result<Address, StoreError> {
    match url.split_once(':').map(|(scheme, _)| scheme) {
        Some("sqlite") => sqlite_file(url).map(Address::File),
        Some("postgres" | "postgresql") => server(url).map(Address::Server),
        _ => Err(bad_url(url, "it must begin with sqlite:/// (a file) or postgres://")),
    }
}

pub(super) fn bad_url(url: &str, why: impl Into<String>) -> StoreError {
    StoreError::BadUrl { url: shown(url), why: why.into() }
}

/// An address for people: where it leads, never who one is there. Passwords hold whatever people put into them, `/`, `#`
/// and `'` included, so everything up to the last `@` goes, and everything that may be a parameter; where that leaves
/// doubt, all of it.
pub(super) fn shown(url: &str) -> String {
    const HIDDEN: &str = "…";
    let Some((scheme, rest)) = url.split_once(':') else { return HIDDEN.to_owned() };
    let rest = match rest.strip_prefix("//") {
        Some(rest) => rest,
        None if scheme == "sqlite" => rest,
        None => return HIDDEN.to_owned(),
    };
    let shown = match rest.rsplit_once('@') {
        // Either a password with a `?`, or a parameter with an `@`.
        Some((before, _)) if before.contains('?') => HIDDEN.to_owned(),
        Some((_, place)) => format!("{HIDDEN}@{}", until_parameters(place)),
        // `name:password` alone is no place.
        None if scheme != "sqlite" && Url::parse(url).is_err() => HIDDEN.to_owned(),
        None => until_parameters(rest).to_owned(),
    };
    format!("{scheme}://{shown}")
}

fn until_parameters(place: &str) -> &str {
    place.split(['?', '#']).next().unwrap_or_default()
}

/// The file that a `sqlite:` URL names: `sqlite:///absolute`, `sqlite://relative` or `sqlite:relative`, percent-encoded
/// where need be. Its query is not used: how connections are set up is not for the address to say.
fn sqlite_file(url: &str) -> Result<PathBuf, StoreError> {
    let path = url.strip_prefix("sqlite:").unwrap_or(url);
    let path = path.strip_prefix("//").unwrap_or(path);
    let path = path.split('?').next().unwrap_or_default();
    if path.is_empty() || path == ":memory:" {
        return Err(bad_url(url, "it must name a file"));
    }
    let here = std::env::current_dir().map_err(|source| StoreError::File { path: PathBuf::from("."), source })?;
    let path = if path.starts_with('/') { path.to_owned() } else { format!("./{path}") };
    Url::from_directory_path(here)
        .ok()
        .and_then(|here| here.join(&path).ok())
        .and_then(|file| file.to_file_path().ok())
        .ok_or_else(|| bad_url(url, "it is not a path of a file"))
}

/// The server's address with all that libpq's addresses may say: `sslmode`, `host` for a Unix socket's folder, and so on
/// (<https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS>).
fn server(url: &str) -> Result<AnyConnectOptions, StoreError> {
    let mut address: Url = url.parse().map_err(|error: url::ParseError| bad_url(url, error.to_string()))?;
    if address.cannot_be_a_base() {
        return Err(bad_url(url, "it must begin with postgres://"));
    }
    // A password's `/`, `?` or `#` that is not encoded ends the host's part early, and the `@` turns up later.
    let of_a_person = |name: &str| matches!(name, "user" | "password" | "application_name" | "options");
    let misread = address.path().contains('@')
        || address
            .query_pairs()
            .any(|(name, value)| name.contains('@') || (value.contains('@') && !of_a_person(&name)));
    if misread || address.fragment().is_some() {
        return Err(bad_url(url, "write /, ?, # and @ in a user's name or password as %2F, %3F, %23 and %40"));
    }
    let named = !address.path().trim_matches('/').is_empty() || address.query_pairs().any(|(name, _)| name == "dbname");
    if !named {
        return Err(bad_url(url, "it names no database: postgres://user:password@host/database"));
    }
    if !address.query_pairs().any(|(name, _)| name == "application_name") {
        address.query_pairs_mut().append_pair("application_name", APPLICATION);
    }
    // Said here rather than when the first connection is made.
    if let Err(error) = PgConnectOptions::from_str(address.as_str()) {
        return Err(bad_url(url, redacted(&error.to_string())));
    }
    AnyConnectOptions::from_str(address.as_str()).map_err(|error| bad_url(url, redacted(&error.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_name_files() {
        let here = std::env::current_dir().unwrap();
        for (url, file) in [
            ("sqlite:///a/b.db", PathBuf::from("/a/b.db")),
            ("sqlite:///a/b%20c.db?mode=rwc", PathBuf::from("/a/b c.db")),
            ("sqlite://b.db", here.join("b.db")),
            ("sqlite:folder/b.db", here.join("folder/b.db")),
        ] {
            let Address::File(found) = parse(url).unwrap() else { panic!("{url}") };
            assert_eq!(found, file, "{url}");
        }
    }

    #[test]
    fn addresses_name_databases_of_servers() {
        for url in [
            "postgres://me:secret@host/db",
            "postgresql://host:5433/db?sslmode=verify-full",
            "postgres:///db?host=/run/postgresql",
            "postgres://host?dbname=db",
        ] {
            assert!(matches!(parse(url), Ok(Address::Server(_))), "{url}");
        }
    }

    #[test]
    fn what_is_wrong_with_an_address_is_said_without_its_password() {
        for url in [
            "sqlite:",
            "sqlite::memory:",
            "mysql://me:secret@host/x",
            "/a/b.db",
            "me:secret@host/x",
            "postgres://me:secret@host",
            "postgres://me:secret@host:a/db",
            "postgres://me:secret@host/db?sslmode=perhaps",
            "postgres://me@host/db?password=secret&sslmode=perhaps",
            "postgres:me:secret",
            "postgres://me:secret",
            "postgres://me:12/34secret@host/db",
            "postgres://me:12#secret@host/db",
            "postgres://me:12?secret@host/db",
            "postgres://me:1/2?3=secret@host/db",
            "postgres://me:it's/secret@host/db",
            "postgres://host/db#secret",
        ] {
            let error = parse(url).unwrap_err();
            assert!(matches!(error, StoreError::BadUrl { .. }), "{url}: {error}");
            assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
        }
    }

    #[test]
    fn u25_of_an_address_the_place_is_shown_and_nothing_else() {
        let table = [
            ("postgres://host:5433/db", "postgres://host:5433/db"),
            ("postgres://host:5433", "postgres://host:5433"),
            ("postgres://me@host/db", "postgres://…@host/db"),
            ("postgres://me:it's-secret@host/db", "postgres://…@host/db"),
            ("postgres://me:12/34secret@host/db", "postgres://…@host/db"),
            ("postgres://me:12#secret@host/db", "postgres://…@host/db"),
            ("postgres://me:12?secret@host/db", "postgres://…"),
            ("postgres://me:p@secret@host/db", "postgres://…@host/db"),
            ("postgres://me:it%27s%2Fsecret@host/db", "postgres://…@host/db"),
            ("postgres://me:secret@host/db?sslmode=require&password=secret", "postgres://…@host/db"),
            ("postgres://host/db?user=me&password=secret", "postgres://host/db"),
            ("postgres://host/db?password=a@secret", "postgres://…"),
            ("postgres:///db?host=/run/postgresql&password=secret", "postgres:///db"),
            ("postgres://me:secret", "postgres://…"),
            ("postgres:secret", "…"),
            ("secret", "…"),
            ("sqlite:///var/lib/it's here.db?mode=rwc", "sqlite:///var/lib/it's here.db"),
        ];
        for (url, expected) in table {
            assert_eq!(shown(url), expected, "{url}");
        }
    }

    proptest::proptest! {
        #[test]
        fn u25_no_password_is_shown_whatever_is_in_it(password in "[ -~äß€]{0,12}secret[ -~äß€]{0,12}") {
            let url = format!("postgres://me:{password}@host:5432/db");
            proptest::prop_assert!(!shown(&url).contains("secret"));
            let told = match parse(&url) {
                Ok(address) => match address {
                    Address::Server(options) => shown(options.database_url.as_str()),
                    Address::File(file) => file.display().to_string(),
                },
                Err(error) => format!("{error} {error:?}"),
            };
            proptest::prop_assert!(!told.contains("secret"), "{}", told);
        }
    }
}
