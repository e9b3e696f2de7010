//! Certificates: the engine's, and ours.

use std::path::PathBuf;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::json;
use tempfile::TempDir;
use tonic::transport::{Certificate, Identity, ServerTlsConfig};
use trackscribe::engine::hatchet::{Settings, Tls, Worker};
use trackscribe::workflow::Registry;

use crate::double::Double;
use crate::support::*;

/// Who vouches for certificates, and where its files are.
struct Authority {
    folder: TempDir,
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { folder: tempfile::tempdir().unwrap(), pem, issuer: Issuer::new(params, key) }
    }

    /// A certificate and its key.
    fn vouch(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    fn file(&self, name: &str, pem: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, pem).unwrap();
        path
    }

    fn root(&self) -> PathBuf {
        self.file("root.pem", &self.pem)
    }

    fn server(&self) -> ServerTlsConfig {
        let (certificate, key) = self.vouch("engine.test");
        ServerTlsConfig::new().identity(Identity::from_pem(certificate, key))
    }
}

fn toy() -> Registry {
    registry(&[one("One", "")], slots(1), &[("One.a", task(|_, _, _| async { Ok(json!({})) }))])
}

fn named(double: &Double, tls: Tls) -> Settings {
    Settings { tls, server_name: Some("engine.test".to_owned()), ..settings(double) }
}

/// Whether a worker gets as far as being connected.
async fn connects(settings: Settings, patience: Duration) -> bool {
    let (connection, rest) = connect(settings).await;
    let starting = Worker::start(connection, rest, toy(), options("toy"), clock());
    match tokio::time::timeout(patience, starting).await {
        Ok(worker) => {
            worker.unwrap().stop().await;
            true
        }
        Err(_) => false,
    }
}

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(400);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_is_trusted_by_its_root_and_under_its_name_only() {
    let (authority, other) = (Authority::new(), Authority::new());
    let double = Double::with_tls(Some(authority.server())).await;
    assert!(connects(named(&double, Tls::Root(authority.root())), LONG).await);
    assert!(!connects(named(&double, Tls::Root(other.root())), SHORT).await);
    assert!(!connects(Settings { server_name: None, ..named(&double, Tls::Root(authority.root())) }, SHORT).await);
    assert!(!connects(named(&double, Tls::None), SHORT).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_asks_for_a_certificate_of_ours_gets_it() {
    let authority = Authority::new();
    let asks = authority.server().client_ca_root(Certificate::from_pem(&authority.pem));
    let double = Double::with_tls(Some(asks)).await;
    let (certificate, key) = authority.vouch("worker.test");
    let (certificate, key) = (authority.file("client.pem", &certificate), authority.file("client.key", &key));
    assert!(connects(named(&double, Tls::Mutual { root: Some(authority.root()), certificate, key }), LONG).await);
    assert!(!connects(named(&double, Tls::Root(authority.root())), SHORT).await);
}
