mod spoken;
use spoken::{InMemory, Kept, Meeting, Scores};
use tokio_util::sync::CancellationToken;
use trackscribe::speech::*;

fn env(name: &str, default: f64) -> f64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

#[test]
fn sweep() {
    let model = spoken::model();
    let root = std::env::var("MEETINGS").map(std::path::PathBuf::from).unwrap_or(spoken::fixtures().join("meetings"));
    let mut names: Vec<_> = std::fs::read_dir(root).unwrap().map(|e| e.unwrap().path()).collect();
    names.sort();
    let mut settings = TrackSettings::new("auto");
    settings.windows.context = env("CONTEXT", settings.windows.context);
    settings.windows.join_pause = env("JOIN", settings.windows.join_pause);
    settings.windows.packed_pause = env("PACKED", settings.windows.packed_pause);
    settings.windows.max_window = env("MAX", settings.windows.max_window);
    settings.windows.enough = env("ENOUGH", settings.windows.enough);
    settings.voice_activity.enter = env("ENTER", settings.voice_activity.enter as f64) as f32;
    settings.voice_activity.stay = env("STAY", settings.voice_activity.stay as f64) as f32;
    settings.voice_activity.hang_over = env("HANG", settings.voice_activity.hang_over);
    settings.voice_activity.min_voiced = env("MINV", settings.voice_activity.min_voiced);
    let (mut e, mut w, mut wins) = (0, 0, 0);
    let t = std::time::Instant::now();
    for folder in names {
        let meeting = Meeting::at(folder.clone());
        let mut scores = Scores::default();
        let mut windows = 0;
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        for track in meeting.cam_tracks() {
            let samples = meeting.samples(&track);
            if std::env::var_os("VAD").is_some() {
                let mut a = trackscribe::audio::voice_activity::VoiceActivity::new(settings.voice_activity);
                a.push(&samples);
                println!(
                    "{name} {} truth {:?}\n   vad {:?}",
                    track.user_name,
                    track.speech,
                    a.finish()
                        .iter()
                        .map(|i| ((i.start * 100.0).round() / 100.0, (i.end * 100.0).round() / 100.0))
                        .collect::<Vec<_>>()
                );
            }
            if std::env::var_os("ONLYVAD").is_some() { continue; }
            let t = transcribe_track(
                &|| InMemory::boxed(&samples),
                &model,
                &settings,
                &Kept::default(),
                &CancellationToken::new(),
                &mut |_| {},
            )
            .unwrap();
            let t = if std::env::var_os("TRUTH").is_some() {
                let iv: Vec<_> = track.speech.iter().map(|s| trackscribe::audio::voice_activity::SpeechInterval { start: s.0, end: s.1 }).collect();
                let ws = pack(&iv, samples.len() as u64, settings.windows);
                let mut t = t; t.words.clear(); t.windows = ws.len();
                for w in ws { let s = &w.pieces[0].samples; let r = model.recognize(&samples[s.start as usize..s.end as usize], "en", &CancellationToken::new()).unwrap();
                    for h in r.words { let (a, b) = w.time_map().span(h.start, h.end); t.words.push(SpokenWord { text: h.text, start: a, end: b, probability: 0.0 }); } }
                t } else { t };
            if std::env::var_os("VAD").is_some() { println!("probabilities said {:?}", t.words.iter().map(|w| format!("{} {:.2}", w.text, w.probability)).collect::<Vec<_>>()); }
            windows += t.windows;
            if !t.dropped.is_empty() {
                println!("dropped {:?}", t.dropped);
            }
            scores.add(&meeting.words_of(&track), &t.words);
        }
        println!("{name}: {windows} windows {scores}");
        e += scores.errors;
        w += scores.words;
        wins += windows;
    }
    println!(
        "ALL {e}/{w} = {:.1} % in {wins} windows, {:.1} s",
        100.0 * e as f64 / w as f64,
        t.elapsed().as_secs_f64()
    );
}
