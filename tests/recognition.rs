//! The recorded meetings through speech recognition, measured against what was really said.

mod spoken;

use spoken::{Meeting, Scores};

/// Most errors per word that each meeting may have: 4 % where perfect cuts give none, else 3 points above them.
const LIMITS: [(&str, f64); 4] = [("standup", 0.04), ("edge", 0.04), ("rejoin", 0.061 + 0.03), ("wild", 0.081 + 0.03)];

#[test]
fn every_meeting_is_understood_and_words_begin_when_they_were_said() {
    let model = spoken::model();
    for (name, limit) in LIMITS {
        let meeting = Meeting::fixture(name);
        let mut scores = Scores::default();
        for track in meeting.cam_tracks() {
            let transcript = spoken::transcribe(&meeting, &track, &model);
            scores.add(&meeting.words_of(&track), &transcript.words);
        }
        println!("{name}: {scores}");
        assert!(scores.error_rate() <= limit, "{name}: {scores}");
        assert!(scores.median_start_error() <= 0.15, "{name}: {scores}");
    }
}
