//! docker/fetch-model: the model comes into its folder whole, or not at all.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::scripts::{Ended, run, sha256};
use crate::web::{Answer, Web};

/// An empty volume.
struct Volume(TempDir);

impl Volume {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn folder(&self) -> &Path {
        self.0.path()
    }

    fn file(&self) -> PathBuf {
        self.folder().join("ggml-small.bin")
    }

    fn part(&self) -> PathBuf {
        self.folder().join("ggml-small.bin.part")
    }

    fn fetch(&self, url: &str, sum: &str) -> Ended {
        let folder = self.folder().to_str().unwrap();
        let settings = [("MODEL_FOLDER", folder), ("MODEL_FILE", "ggml-small.bin"), ("MODEL_URL", url)];
        let more = [("MODEL_SHA256", sum), ("MODEL_TRIES", "3"), ("MODEL_PAUSE", "0")];
        run("fetch-model", &[settings.as_slice(), more.as_slice()].concat())
    }

    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
    }
}

fn model() -> Vec<u8> {
    (0..200_000_u32).flat_map(u32::to_le_bytes).collect()
}

#[test]
fn an_empty_volume_is_filled_and_what_is_there_is_left_alone() {
    let web = Web::new(|asked, _| Answer::part(&model(), asked));
    let (volume, url) = (Volume::new(), format!("{}/resolve/ggml-small.bin", web.address));
    let sum = sha256(&model());
    let ended = volume.fetch(&url, &sum.to_uppercase());
    assert_eq!(ended.code, 0, "{}", ended.said);
    assert_eq!(std::fs::read(volume.file()).unwrap(), model());
    assert_eq!((volume.files().len(), web.asked().len()), (1, 1));

    let ended = volume.fetch(&url, &sum);
    assert_eq!(ended.code, 0, "{}", ended.said);
    assert!(ended.said.contains("is there"), "{}", ended.said);
    assert_eq!(web.asked().len(), 1, "nothing is asked for again");
}

#[test]
fn somebodys_own_model_is_left_alone_and_told_apart_from_what_was_meant() {
    let web = Web::new(|asked, _| Answer::part(&model(), asked));
    let volume = Volume::new();
    std::fs::write(volume.file(), "their own").unwrap();
    let ended = volume.fetch(&web.address, "");
    assert_eq!(ended.code, 0, "not checked: {}", ended.said);
    let ended = volume.fetch(&web.address, &sha256(&model()));
    assert_eq!(ended.code, 1);
    assert!(ended.said.contains("MODEL_SHA256 says") && ended.said.contains("MODEL_FILE"), "{}", ended.said);
    assert_eq!(std::fs::read(volume.file()).unwrap(), b"their own");
    assert!(web.asked().is_empty());
}

#[test]
fn what_has_the_wrong_sum_is_refused_and_nothing_is_left_behind() {
    let web = Web::new(|asked, _| Answer::part(b"a page that says sorry", asked));
    let volume = Volume::new();
    let ended = volume.fetch(&web.address, &sha256(&model()));
    assert_eq!(ended.code, 1);
    let found = sha256(b"a page that says sorry");
    assert!(ended.said.contains(&found) && ended.said.contains("is not kept"), "{}", ended.said);
    assert!(volume.files().is_empty(), "{:?}", volume.files());
    assert_eq!(web.asked().len(), 1, "another try would bring the same");
}

#[test]
fn a_download_that_breaks_is_gone_on_with() {
    let web = Web::new(|asked, before| {
        let answer = Answer::part(&model(), asked);
        if before == 0 { answer.cut(300_000) } else { answer }
    });
    let volume = Volume::new();
    let ended = volume.fetch(&web.address, &sha256(&model()));
    assert_eq!(ended.code, 0, "{}", ended.said);
    assert_eq!(std::fs::read(volume.file()).unwrap(), model());
    assert_eq!(web.asked()[1].range.as_deref(), Some("bytes=300000-"), "only the rest");
    assert_eq!(volume.files().len(), 1);
}

#[test]
fn what_a_killed_download_left_is_gone_on_with_by_the_next() {
    let web = Web::new(|asked, _| Answer::part(&model(), asked));
    let volume = Volume::new();
    std::fs::write(volume.part(), &model()[..123_456]).unwrap();
    assert_eq!(volume.fetch(&web.address, &sha256(&model())).code, 0);
    assert_eq!(web.asked()[0].range.as_deref(), Some("bytes=123456-"));
    // Killed just before it was renamed.
    let volume = Volume::new();
    std::fs::write(volume.part(), model()).unwrap();
    let ended = volume.fetch(&web.address, &sha256(&model()));
    assert_eq!(ended.code, 0, "{}", ended.said);
    assert_eq!(std::fs::read(volume.file()).unwrap(), model());
}

#[test]
fn a_rest_that_does_not_fit_and_a_server_that_sends_no_rests_begin_anew() {
    let parts = Web::new(|asked, _| Answer::part(&model(), asked));
    let whole_only = Web::new(|_, _| Answer::whole(&model()));
    for web in [parts, whole_only] {
        let volume = Volume::new();
        std::fs::write(volume.part(), "of another model").unwrap();
        let ended = volume.fetch(&web.address, &sha256(&model()));
        assert_eq!(ended.code, 0, "{}", ended.said);
        assert_eq!(std::fs::read(volume.file()).unwrap(), model());
    }
}

#[test]
fn what_will_not_pass_is_told_at_once_and_what_may_is_tried_again() {
    let gone = Web::new(|_, _| Answer::status(404));
    let volume = Volume::new();
    let ended = volume.fetch(&gone.address, &sha256(&model()));
    assert_eq!((ended.code, gone.asked().len()), (1, 1), "{}", ended.said);
    assert!(ended.said.contains(&format!("{} can't be fetched", gone.address)), "{}", ended.said);

    let busy = Web::new(|asked, before| if before < 2 { Answer::status(503) } else { Answer::part(&model(), asked) });
    assert_eq!(volume.fetch(&busy.address, &sha256(&model())).code, 0);
    assert_eq!(busy.asked().len(), 3);

    let away = Web::new(|_, _| Answer::status(503));
    let volume = Volume::new();
    let ended = volume.fetch(&away.address, &sha256(&model()));
    assert_eq!((ended.code, away.asked().len()), (1, 3), "{}", ended.said);
    assert!(ended.said.contains("in 3 tries"), "{}", ended.said);
}

#[test]
fn nothing_is_fetched_that_can_not_be_known_again() {
    let volume = Volume::new();
    for (url, sum, says) in [("", "00", "MODEL_URL"), ("http://127.0.0.1:9/x", "", "MODEL_SHA256")] {
        let ended = volume.fetch(url, sum);
        assert!(ended.code == 1 && ended.said.contains(says), "{}", ended.said);
    }
    assert!(volume.files().is_empty());
}
