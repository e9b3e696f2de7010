//! Where objects are, as settings say it: a folder, or a bucket and how to get at it.

use std::fmt;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use url::Url;

use crate::secret::Secret;

/// A place that can be opened: [`super::open`], [`super::open_source`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A folder of this machine.
    Folder(PathBuf),
    /// A bucket, or what is in it below a prefix.
    Bucket(Box<BucketPlace>),
}

/// A bucket, or what is in it below a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketPlace {
    /// Its name.
    pub bucket: String,
    /// What all keys begin with, without slashes at its ends; empty for the whole bucket.
    pub prefix: String,
    /// How to get at it.
    pub settings: S3Settings,
}

/// How to get at a bucket. What is not set comes from the standard AWS chain: environment, profile, container, instance
/// role, web identity.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct S3Settings {
    /// Another service than AWS.
    pub endpoint: Option<Url>,
    /// The bucket's region, e.g. `eu-central-1`.
    pub region: Option<String>,
    /// Set together with the secret, or not at all.
    pub access_key_id: Option<Secret>,
    /// The access key's secret.
    pub secret_access_key: Option<Secret>,
    /// A role to assume with these credentials.
    pub role_arn: Option<String>,
    /// Whether the bucket stands in the path instead of the host's name. Default: with an endpoint yes, on AWS no.
    pub path_style: Option<bool>,
}

/// An address or settings that name no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// Another scheme.
    #[error("must begin with file:// or s3://")]
    Scheme,
    /// Not the path of a folder here.
    #[error("must be file:// and an absolute path, e.g. file:///var/lib/trackscribe")]
    Folder,
    /// No bucket, or a name that no bucket has.
    #[error("must be s3://BUCKET or s3://BUCKET/PREFIX")]
    Bucket,
    /// A user, password, port, query or fragment.
    #[error("must have nothing beside bucket and prefix; credentials are settings of their own")]
    Extra,
    /// A prefix with an empty part, `.` or `..`.
    #[error("has a prefix that is not made of names divided by single slashes")]
    Prefix,
    /// Half of a pair.
    #[error("needs the access key's id and its secret, or neither")]
    HalfAKey,
    /// An endpoint of another scheme.
    #[error("has an endpoint that is no http:// or https:// address of a host")]
    Endpoint,
}

impl Place {
    /// Reads `file://DIR`, `s3://BUCKET` or `s3://BUCKET/PREFIX`. `settings` do not matter to a folder.
    ///
    /// # Errors
    /// When address and settings name no place. What they are is not repeated: they may hold a secret.
    pub fn parse(address: &Url, settings: S3Settings) -> Result<Self, PlaceError> {
        match address.scheme() {
            "file" => folder(address).map(Self::Folder),
            "s3" => BucketPlace::parse(address, settings).map(|place| Self::Bucket(Box::new(place))),
            _ => Err(PlaceError::Scheme),
        }
    }
}

fn folder(address: &Url) -> Result<PathBuf, PlaceError> {
    if address.query().is_some() || address.fragment().is_some() {
        return Err(PlaceError::Folder);
    }
    address.to_file_path().map_err(|()| PlaceError::Folder)
}

impl BucketPlace {
    fn parse(address: &Url, settings: S3Settings) -> Result<Self, PlaceError> {
        let has_user = !address.username().is_empty() || address.password().is_some();
        if has_user || address.port().is_some() || address.query().is_some() || address.fragment().is_some() {
            return Err(PlaceError::Extra);
        }
        let bucket = address.host_str().unwrap_or_default();
        if bucket.is_empty() || !bucket.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte)) {
            return Err(PlaceError::Bucket);
        }
        let prefix = percent_decode_str(address.path()).decode_utf8().map_err(|_| PlaceError::Prefix)?;
        let prefix = prefix.trim_matches('/');
        if !prefix.is_empty() && prefix.parse::<super::ObjectKey>().is_err() {
            return Err(PlaceError::Prefix);
        }
        if settings.access_key_id.is_some() != settings.secret_access_key.is_some() {
            return Err(PlaceError::HalfAKey);
        }
        if settings.endpoint.as_ref().is_some_and(|url| !matches!(url.scheme(), "http" | "https") || !url.has_host()) {
            return Err(PlaceError::Endpoint);
        }
        Ok(Self { bucket: bucket.to_owned(), prefix: prefix.to_owned(), settings })
    }

    /// What stands before a key of this place.
    pub(super) fn base(&self) -> String {
        if self.prefix.is_empty() { String::new() } else { format!("{}/", self.prefix) }
    }

    pub(super) fn path_style(&self) -> bool {
        self.settings.path_style.unwrap_or(self.settings.endpoint.is_some())
    }
}

impl fmt::Display for BucketPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.prefix)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => folder.display().fmt(f),
            Self::Bucket(bucket) => bucket.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(address: &str, settings: S3Settings) -> Result<Place, PlaceError> {
        Place::parse(&address.parse().unwrap(), settings)
    }

    #[test]
    fn folders_and_buckets_are_read() {
        let place = |address| parse(address, S3Settings::default()).unwrap();
        assert_eq!(place("file:///var/lib/a%20b"), Place::Folder("/var/lib/a b".into()));
        for (address, bucket, prefix) in [
            ("s3://tracks", "tracks", ""),
            ("s3://tracks/", "tracks", ""),
            ("s3://My.old_bucket/a/b", "My.old_bucket", "a/b"),
            ("s3://b/a b/ü/", "b", "a b/ü"),
        ] {
            let Place::Bucket(read) = place(address) else { panic!("{address}") };
            assert_eq!((read.bucket.as_str(), read.prefix.as_str()), (bucket, prefix), "{address}");
        }
    }

    #[test]
    fn what_names_no_place_is_refused() {
        let table = [
            ("ftp://host/x", PlaceError::Scheme),
            ("file://host/x", PlaceError::Folder),
            ("file:///x?y", PlaceError::Folder),
            ("s3:bucket", PlaceError::Bucket),
            ("s3:///prefix", PlaceError::Bucket),
            ("s3://a+b/c", PlaceError::Bucket),
            ("s3://id:secret@bucket", PlaceError::Extra),
            ("s3://bucket:80", PlaceError::Extra),
            ("s3://bucket/x?region=y", PlaceError::Extra),
            ("s3://bucket/a//b", PlaceError::Prefix),
            ("s3://bucket/%00", PlaceError::Prefix),
        ];
        for (address, error) in table {
            assert_eq!(parse(address, S3Settings::default()), Err(error), "{address}");
        }
        let half = S3Settings { access_key_id: Some(Secret::new("id")), ..S3Settings::default() };
        assert_eq!(parse("s3://bucket", half), Err(PlaceError::HalfAKey));
        let odd = S3Settings { endpoint: Some("ftp://x".parse().unwrap()), ..S3Settings::default() };
        assert_eq!(parse("s3://bucket", odd), Err(PlaceError::Endpoint));
    }

    #[test]
    fn a_place_prints_no_secret() {
        let settings = S3Settings {
            access_key_id: Some(Secret::new("id")),
            secret_access_key: Some(Secret::new("s3cr3t")),
            ..S3Settings::default()
        };
        let place = parse("s3://bucket/x", settings).unwrap();
        assert!(!format!("{place:?} {place}").contains("s3cr3t"));
        assert_eq!(place.to_string(), "s3://bucket/x");
    }

    #[test]
    fn another_service_than_aws_gets_the_bucket_in_the_path() {
        let style = |endpoint: Option<&str>, path_style| {
            let endpoint = endpoint.map(|url| url.parse().unwrap());
            let settings = S3Settings { endpoint, path_style, ..S3Settings::default() };
            let Ok(Place::Bucket(place)) = parse("s3://bucket", settings) else { panic!() };
            place.path_style()
        };
        assert!(!style(None, None));
        assert!(style(Some("http://127.0.0.1:9000"), None));
        assert!(!style(Some("https://fra1.example.com"), Some(false)));
    }
}
