//! docker-compose.yml against the program's settings and against itself.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;
use trackscribe::config::{Config, ConfigError, Provider, SETTINGS, Strings, TokenSource};

use crate::compose_file::{COMPOSE, FIXTURES, environment, filled, list, parsed, services, variables};
use crate::{repository, text};

/// The services that are this program.
const OURS: [&str; 2] = ["serve", "hatchet-worker"];
/// Where `.env.example` begins to be about docker-compose.yml alone.
const COMPOSE_PART: &str = "# ──── What follows is for docker-compose.yml alone";

/// Settings as a container gets them.
struct Given(BTreeMap<String, String>);

impl Strings for Given {
    fn get(&self, name: &str) -> Result<Option<String>, ConfigError> {
        Ok(self.0.get(name).cloned().filter(|value| !value.trim().is_empty()))
    }

    fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    fn is_ours(&self, _: &str) -> bool {
        true
    }
}

fn is_setting(name: &str) -> bool {
    SETTINGS.iter().any(|setting| setting.names.contains(&name))
}

fn seconds(text: &Value) -> u64 {
    text.as_str().and_then(|text| text.strip_suffix('s')?.parse().ok()).unwrap_or_else(|| panic!("{text} is no N s"))
}

#[test]
fn the_program_takes_the_settings_that_its_containers_have() {
    for overlay in [None, Some(FIXTURES)] {
        let services = services(overlay);
        for name in OURS {
            let given = environment(&services[name]);
            let unknown: Vec<_> = given.keys().filter(|name| !is_setting(name)).collect();
            assert!(unknown.is_empty(), "{name}: {unknown:?}");
            let config = Config::read(&Given(given)).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!((config.provider, config.warnings), (Provider::Hatchet, Vec::new()), "{name}");
            assert_eq!(config.hatchet.token, Some(TokenSource::File("/token/hatchet".into())));
            assert_eq!(config.daily_storage.url.is_some(), overlay.is_some());
        }
        let serve = Config::read(&Given(environment(&services["serve"]))).unwrap();
        assert_eq!(serve.bind.to_string(), "0.0.0.0:8080");
    }
}

#[test]
fn what_a_service_waits_for_can_be_waited_for() {
    let services = services(Some(FIXTURES));
    let mut awaited = BTreeSet::new();
    for (name, service) in &services {
        for (other, how) in service["depends_on"].as_object().into_iter().flatten() {
            awaited.insert(other.as_str());
            let other = services.get(other).unwrap_or_else(|| panic!("{name} waits for {other}, which is not there"));
            match how["condition"].as_str() {
                Some("service_healthy") => assert!(other["healthcheck"]["test"].is_array(), "{name}: {how}"),
                Some("service_completed_successfully") => assert_eq!(other["restart"], "no", "{name}: {how}"),
                condition => panic!("{name}: {condition:?}"),
            }
        }
    }
    // `up --wait` waits for one that ends only where somebody depends on that; for others it takes the end for a fault.
    let one_shots = services.iter().filter(|(_, service)| service["restart"] == "no").map(|(name, _)| name.as_str());
    for name in one_shots {
        assert!(awaited.contains(name), "nobody waits for {name}");
    }
}

#[test]
fn volumes_are_declared_and_files_that_are_mounted_are_there() {
    let compose = parsed(COMPOSE);
    let declared: BTreeSet<_> = compose["volumes"].as_object().unwrap().keys().cloned().collect();
    let mut used = BTreeSet::new();
    for (name, service) in services(Some(FIXTURES)) {
        for volume in list(&service["volumes"]) {
            let volume = filled(&volume);
            let (source, target) = volume.split_once(':').unwrap();
            if !source.starts_with('.') {
                used.insert(source.to_owned());
                continue;
            }
            let path = repository(source);
            assert!(path.exists(), "{name} mounts {source}");
            assert!(target.ends_with(":ro"), "{name} may write to {source}");
            let is_script = path.is_file();
            assert!(
                !is_script || path.metadata().unwrap().permissions().mode() & 0o111 == 0o111,
                "{source} can't be run"
            );
        }
        for script in list(&service["entrypoint"]) {
            let is_mounted = list(&service["volumes"]).iter().any(|volume| volume.ends_with(&format!(":{script}:ro")));
            assert!(is_mounted, "{name} runs {script}");
        }
    }
    assert_eq!(declared, used);
}

#[test]
fn nothing_is_open_to_other_machines_logs_end_and_versions_are_fixed() {
    for (name, service) in services(None) {
        for port in list(&service["ports"]) {
            assert!(port.starts_with("127.0.0.1:"), "{name} publishes {port}");
        }
        assert!(service["logging"]["options"]["max-size"].is_string(), "{name}'s log grows for ever");
        assert!(matches!(service["restart"].as_str(), Some("unless-stopped" | "no")), "{name}");
        let image = service["image"].as_str().unwrap();
        let version = image.rsplit_once(':').map_or("", |(_, version)| version);
        let is_fixed = version.bytes().filter(|byte| *byte == b'.').count() >= 1;
        assert!(is_fixed || (OURS.contains(&name.as_str()) && service["pull_policy"] == "never"), "{name}: {image}");
    }
}

#[test]
fn the_worker_is_given_the_time_that_stopping_takes() {
    let worker = &services(None)["hatchet-worker"];
    let grace = Config::read(&Given(environment(worker))).unwrap().shutdown_grace.as_secs();
    // Pausing 2 s, tasks that have to stop 1 s, outcomes 3 s, logs 1 s, taking leave 1 s, pages and database.
    assert!(seconds(&worker["stop_grace_period"]) >= grace + 12);
}

#[test]
fn everything_that_compose_can_be_told_stands_in_env_example() {
    let example = text(".env.example");
    let (_, own) = example.split_once(COMPOSE_PART).expect("a part for compose");
    let named: BTreeSet<String> =
        own.lines().filter_map(|line| Some(line.strip_prefix('#')?.split_once('=')?.0.to_owned())).collect();
    let read = variables(&text(COMPOSE));
    let own_names: BTreeSet<String> = read.iter().filter(|name| !is_setting(name)).cloned().collect();
    assert_eq!(named, own_names);
    // Of the program's settings those that .env.example says count there.
    let told = own.lines().take_while(|line| !line.is_empty()).collect::<String>();
    let listed: BTreeSet<String> = told
        .split(|c: char| !c.is_ascii_uppercase() && c != '_')
        .filter(|word| is_setting(word))
        .map(str::to_owned)
        .collect();
    assert_eq!(listed, read.into_iter().filter(|name| is_setting(name)).collect());
}

#[test]
fn an_env_file_for_compose_is_fine_for_the_program_too() {
    let example = text(".env.example");
    let (_, own) = example.split_once(COMPOSE_PART).unwrap();
    let set = own.lines().filter_map(|line| line.strip_prefix('#')?.split_once('='));
    let set: BTreeMap<_, _> = set.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    assert!(Config::read(&Given(set)).unwrap().warnings.is_empty());
}

#[test]
fn a_models_name_address_and_sum_fit_wherever_they_are_told() {
    let model = environment(&services(None)["model"]);
    assert!(model["MODEL_URL"].ends_with(&format!("/{}", model["MODEL_FILE"])));
    assert_eq!(model["MODEL_SHA256"].len(), 64);
    let worker = environment(&services(None)["hatchet-worker"]);
    assert_eq!(worker["SPEECH_MODEL"], format!("/models/{}", model["MODEL_FILE"]));
    let tried = services(Some(FIXTURES));
    let fixture = environment(&tried["model"]);
    assert_eq!(environment(&tried["hatchet-worker"])["SPEECH_MODEL"], format!("/models/{}", fixture["MODEL_FILE"]));
    let bytes = std::fs::read(repository("fixtures/model").join(&fixture["MODEL_FILE"])).unwrap();
    assert_eq!(fixture["MODEL_SHA256"], crate::scripts::sha256(&bytes));
}
