//! Where objects are: a bucket of S3 or a folder.

use url::Url;

use super::reader::Reader;
use crate::secret::Secret;

/// A place of objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectSettings {
    /// `s3://bucket` or `s3://bucket/prefix`, or `file:///folder`. `None`: not set.
    pub url: Option<Url>,
    /// How S3 is reached, where the place is there.
    pub s3: S3Settings,
}

/// How S3 is reached; what is not set comes from the standard AWS chain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct S3Settings {
    /// The server, where it is not AWS.
    pub endpoint: Option<Url>,
    /// E.g. `eu-west-1`.
    pub region: Option<String>,
    /// There when [`S3Settings::secret_access_key`] is.
    pub access_key_id: Option<Secret>,
    /// There when [`S3Settings::access_key_id`] is.
    pub secret_access_key: Option<Secret>,
    /// A role to take on, with these credentials or those of the chain.
    pub role_arn: Option<String>,
    /// `https://server/bucket/key` instead of `https://bucket.server/key`. `None`: as storage finds fit.
    pub path_style: Option<bool>,
}

impl ObjectSettings {
    /// Reads the settings whose names begin with `prefix`.
    pub(super) fn read(reader: &mut Reader<'_>, prefix: &str) -> Self {
        let name = |rest: &str| format!("{prefix}{rest}");
        let url_name = name("URL");
        let url = reader.address(&url_name, &["s3", "file"]).and_then(|url| checked(reader, &url_name, url));
        let s3 = S3Settings::read(reader, &name);
        if url.as_ref().is_none_or(|url| url.scheme() != "s3") && s3 != S3Settings::default() {
            let is = if url.is_some() { "is a folder" } else { "is not set" };
            reader.problem::<()>(&url_name, format!("{is}, but other {prefix}… settings are for s3://bucket"));
        }
        Self { url, s3 }
    }
}

impl S3Settings {
    fn read(reader: &mut Reader<'_>, name: &dyn Fn(&str) -> String) -> Self {
        let endpoint = reader.address(&name("ENDPOINT"), &["https", "http"]);
        let (id, key) = (name("ACCESS_KEY_ID"), name("SECRET_ACCESS_KEY"));
        let (access_key_id, secret_access_key) = (reader.secret(&id), reader.secret(&key));
        match (&access_key_id, &secret_access_key) {
            (Some(_), None) => reader.problem::<()>(&key, format!("is not set, but {id} is")),
            (None, Some(_)) => reader.problem(&id, format!("is not set, but {key} is")),
            _ => None,
        };
        let role_name = name("ROLE_ARN");
        let role_arn = reader.text(&role_name);
        if role_arn.as_ref().is_some_and(|arn| !arn.starts_with("arn:")) {
            reader.problem::<()>(&role_name, "must begin with arn:, e.g. arn:aws:iam::123456789012:role/daily-reader");
        }
        Self {
            region: reader.text(&name("REGION")),
            access_key_id,
            secret_access_key,
            role_arn,
            path_style: reader.flag(&name("PATH_STYLE")),
            endpoint,
        }
    }
}

/// The parts that a place may have: keys and passwords have settings of their own.
fn checked(reader: &mut Reader<'_>, name: &str, url: Url) -> Option<Url> {
    if !url.username().is_empty() || url.password().is_some() {
        return reader.problem(name, "has a user or password in it: use the settings for keys");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return reader.problem(name, "has a ? or # in it");
    }
    match url.scheme() {
        "s3" if url.host_str().is_none_or(str::is_empty) => reader.problem(name, "names no bucket: s3://bucket/prefix"),
        "file" if url.to_file_path().is_err() => {
            reader.problem(name, "is no path: write file:///, then the folder's absolute path")
        }
        _ => Some(url),
    }
}
