//! docker/make-token: there is a token that Hatchet takes, and one that it still takes stays.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::scripts::{Ended, run};
use crate::web::{Answer, Asked, Web};

/// A token's volume, and an engine that takes one token and has a program that prints another.
struct Place {
    folder: TempDir,
    web: Web,
}

impl Place {
    /// `taken`: the token that the engine takes; `printed`: what `hatchet-admin token create` prints.
    fn new(taken: &'static str, printed: &str) -> Self {
        let answer = move |asked: &Asked, _| {
            let is_taken = asked.authorization.as_deref() == Some(&format!("Bearer {taken}"));
            Answer::status(if is_taken { 200 } else { 403 })
        };
        Self::with_engine(Web::new(answer), printed)
    }

    fn with_engine(web: Web, printed: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let admin = folder.path().join("admin");
        let script = format!("#!/bin/sh\necho \"$@\" > {}\n{printed}\n", folder.path().join("told").display());
        std::fs::write(&admin, script).unwrap();
        std::fs::set_permissions(&admin, std::fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder, web }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("hatchet")
    }

    fn token(&self) -> Option<String> {
        std::fs::read_to_string(self.file()).ok()
    }

    fn run(&self) -> Ended {
        let admin = self.folder.path().join("admin");
        let settings = [
            ("TOKEN_FILE", self.file().to_str().unwrap().to_owned()),
            ("HATCHET_API", self.web.address.clone()),
            ("HATCHET_ADMIN", admin.to_str().unwrap().to_owned()),
        ];
        run("make-token", &settings.each_ref().map(|(name, value)| (*name, value.as_str())))
    }

    fn told(&self) -> Option<String> {
        std::fs::read_to_string(self.folder.path().join("told")).ok()
    }
}

#[test]
fn a_new_machine_gets_a_token_that_others_may_read_and_nobody_sees() {
    let place = Place::new("eyA.b.c", "echo 'a line of its log'; echo eyA.b.c");
    let ended = place.run();
    assert_eq!(ended.code, 0, "{}", ended.said);
    assert_eq!(place.token().as_deref(), Some("eyA.b.c\n"));
    assert_eq!(place.file().metadata().unwrap().permissions().mode() & 0o777, 0o644);
    assert!(!ended.said.contains("eyA"), "{}", ended.said);
    let told = place.told().unwrap();
    assert!(told.starts_with("token create --config /config --tenant-id 707d0855-"), "{told}");
    assert!(told.contains("--expiresIn 87600h"), "{told}");
    assert_eq!(place.web.asked()[0].path, "/api/v1/tenants/707d0855-80ab-4e1f-a156-f1c4546cbf52/workflows?limit=1");
}

#[test]
fn a_token_that_is_taken_stays() {
    let place = Place::new("eyOld.b.c", "echo eyNew.b.c");
    std::fs::write(place.file(), "eyOld.b.c\n").unwrap();
    let ended = place.run();
    assert_eq!((ended.code, place.token().as_deref(), place.told()), (0, Some("eyOld.b.c\n"), None), "{}", ended.said);
}

#[test]
fn a_token_of_keys_that_were_lost_is_replaced() {
    let place = Place::new("eyNew.b.c", "echo eyNew.b.c");
    std::fs::write(place.file(), "eyOld.b.c\n").unwrap();
    let ended = place.run();
    assert_eq!((ended.code, place.token().as_deref()), (0, Some("eyNew.b.c\n")), "{}", ended.said);
    assert!(ended.said.contains("does not take the token"), "{}", ended.said);
}

#[test]
fn what_is_no_token_or_is_not_taken_is_not_kept() {
    for printed in ["echo 'panic: no database'", "exit 3", "true", "echo eyOther.b.c"] {
        let place = Place::new("eyA.b.c", printed);
        let ended = place.run();
        assert!(ended.code != 0 && place.token().is_none(), "{printed}: {}", ended.said);
        assert!(!place.folder.path().join("hatchet.new").exists());
    }
}

#[test]
fn an_engine_that_is_in_trouble_costs_no_token() {
    let place = Place::with_engine(Web::new(|_, _| Answer::status(404)), "echo eyNew.b.c");
    std::fs::write(place.file(), "eyOld.b.c\n").unwrap();
    let ended = place.run();
    assert_eq!((ended.code, place.token().as_deref(), place.told()), (1, Some("eyOld.b.c\n"), None), "{}", ended.said);
}
