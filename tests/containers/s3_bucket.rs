//! docker/make-bucket and docker/record against a server that checks signatures.

use crate::scripts::run;
use crate::{repository, s3};

#[test]
fn the_bucket_is_made_once_and_a_recording_is_put_where_daily_would_have_put_it() {
    let server = s3::S3Server::start(&[]);
    let script = repository("docker/make-bucket");
    let meeting = repository("fixtures/meetings/standup");
    let settings = [
        ("S3_ENDPOINT", server.endpoint()),
        ("S3_BUCKET", "recordings".to_owned()),
        ("S3_REGION", s3::REGION.to_owned()),
        ("S3_ACCESS_KEY_ID", s3::ACCESS_KEY_ID.to_owned()),
        ("S3_SECRET_ACCESS_KEY", s3::SECRET_ACCESS_KEY.to_owned()),
        ("MAKE_BUCKET", script.to_str().unwrap().to_owned()),
        ("MEETING", meeting.to_str().unwrap().to_owned()),
    ];
    let settings = settings.each_ref().map(|(name, value)| (*name, value.as_str()));
    let ended = run("make-bucket", &settings);
    assert!(ended.code == 0 && ended.said.contains("was made"), "{}", ended.said);
    let ended = run("record", &settings);
    assert_eq!(ended.code, 0, "{}", ended.said);
    let tracks = std::fs::read_dir(&meeting).unwrap().map(|entry| entry.unwrap().path());
    let tracks: Vec<_> = tracks.filter(|path| path.extension().is_some_and(|ending| ending == "webm")).collect();
    assert_eq!(tracks.len(), 3);
    for track in tracks {
        let key = format!("fixture-domain/fixture-standup/{}", track.file_name().unwrap().to_str().unwrap());
        let put = std::fs::read(server.folder("recordings").join(key)).unwrap();
        assert!(put == std::fs::read(track).unwrap());
    }
    assert!(!ended.said.contains(s3::SECRET_ACCESS_KEY));

    let mut wrong = settings;
    wrong[4].1 = "another \"secret\" \\";
    let ended = run("make-bucket", &wrong);
    assert!(ended.code == 1 && ended.said.contains("answers 403"), "{}", ended.said);
}
