//! Makes the client of one place: where it is, who we are, how patient we are.

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::{RetryConfig, RetryPartition};
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    Builder, Credentials, RequestChecksumCalculation, SharedCredentialsProvider, StalledStreamProtectionConfig,
};
use aws_smithy_http_client::tls;

use super::Patience;
use crate::storage::{BucketPlace, StorageError};

/// What a service of somebody else's is told when nothing names a region: they take any.
const ANY_REGION: Region = Region::from_static("us-east-1");
/// What the role's sessions are called in AWS's logs.
const SESSION: &str = "trackscribe";

/// A client. Reads files and environment, and asks the machine for its region if nothing else tells; credentials are
/// looked up by the first request, kept until they expire, and looked up again.
///
/// # Errors
/// [`StorageError::Refused`] when nobody knows the region of a bucket of AWS's.
pub async fn connect(place: &BucketPlace, patience: &Patience) -> Result<Client, StorageError> {
    let base = chain(place).await;
    if base.region().is_none() {
        let why =
            "its region is not known: set STORAGE_REGION, or DAILY_STORAGE_REGION for the recordings, or AWS_REGION";
        return Err(StorageError::Refused { object: place.to_string(), why: why.to_owned() });
    }
    let base = match &place.settings.role_arn {
        Some(role) => assume(role, base).await,
        None => base,
    };
    let mut config = Builder::from(&base)
        .force_path_style(place.path_style())
        .timeout_config(timeouts(patience).build())
        .retry_config(
            RetryConfig::standard()
                .with_max_attempts(patience.tries)
                .with_initial_backoff(patience.backoff)
                .with_max_backoff(patience.longest_backoff),
        )
        // One place's outage must not use up the retries of another.
        .retry_partition(RetryPartition::new(format!("{place} {:?}", place.settings.endpoint)))
        // Downloads are watched where they are read: there a pause of the reader is told from one of the network.
        .stalled_stream_protection(
            StalledStreamProtectionConfig::enabled().download_enabled(false).grace_period(patience.stall).build(),
        );
    if let Some(endpoint) = &place.settings.endpoint {
        // Not all services know the checksums that AWS takes by default.
        config = config
            .endpoint_url(endpoint.as_str())
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired);
    }
    Ok(Client::from_conf(config.build()))
}

/// Time-outs of requests that send little.
pub fn timeouts(patience: &Patience) -> aws_sdk_s3::config::timeout::TimeoutConfigBuilder {
    TimeoutConfig::builder().connect_timeout(patience.connect).read_timeout(patience.first_byte)
}

/// Region and credentials from the settings, and what they leave out from the standard chain.
async fn chain(place: &BucketPlace) -> SdkConfig {
    let settings = &place.settings;
    let ring = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
    let http = aws_smithy_http_client::Builder::new().tls_provider(ring).build_https();
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http);
    if let Some(region) = &settings.region {
        loader = loader.region(Region::new(region.clone()));
    } else if settings.endpoint.is_some() {
        // A service of somebody else's: the machine that this runs on, if it is AWS's, has nothing to say about it.
        let told = RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new());
        loader = loader.region(told.or_else(ProfileFileRegionProvider::new()).or_else(ANY_REGION));
    }
    // Else the loader asks environment, profile and machine, by our HTTP client: a provider of regions that is made apart
    // from it has none, and panics.
    if let (Some(id), Some(secret)) = (&settings.access_key_id, &settings.secret_access_key) {
        loader = loader.credentials_provider(Credentials::new(id.reveal(), secret.reveal(), None, None, "settings"));
    }
    loader.load().await
}

async fn assume(role: &str, base: SdkConfig) -> SdkConfig {
    let provider = AssumeRoleProvider::builder(role).session_name(SESSION).configure(&base).build().await;
    base.into_builder().credentials_provider(SharedCredentialsProvider::new(provider)).build()
}
