use proptest::prelude::*;

use super::*;
use crate::workflow::{ConcurrencyKey, Pool, default_pool_sizes};

const HEAD: &str = "name = 'W'\ndescription = 'd'\ninput = 'I'\n[defaults]\nexecution_timeout = '10m'\nstall_timeout = '1m'\n\
                    schedule_timeout = '1h'\nretries = 3\nbackoff_factor = 2\nbackoff_max = '1m'\n";

fn parse(files: &[(&str, &str)]) -> Result<Definitions, DefinitionErrors> {
    Definitions::parse(files, default_pool_sizes(2, 1))
}

/// The errors of a workflow made of [`HEAD`] (10 lines) and `tasks`.
fn errors(tasks: &str) -> String {
    parse(&[("w.toml", &format!("{HEAD}{tasks}"))]).expect_err("this workflow is wrong").to_string()
}

#[test]
fn the_embedded_workflows_are_the_designs() {
    let definitions = Definitions::embedded(default_pool_sizes(2, 1)).unwrap();
    let edges = |workflow: &str| -> Vec<(String, Vec<String>)> {
        let tasks = &definitions.workflow(workflow).unwrap().tasks;
        tasks.iter().map(|task| (task.name.clone(), task.parents.clone())).collect()
    };
    let needs = |task: &str, parents: &[&str]| {
        let own = edges("DiarizationPipeline").into_iter().find(|(name, _)| name == task).unwrap().1;
        for parent in parents {
            assert!(own.iter().any(|name| name == parent), "{task} waits for {parent}");
        }
    };
    needs("get_participants", &["get_recording"]);
    needs("process_tracks", &["get_participants"]);
    needs("mixdown_tracks", &["process_tracks"]);
    needs("generate_waveform", &["mixdown_tracks"]);
    needs("detect_topics", &["process_tracks"]);
    for task in ["generate_title", "generate_summary", "identify_action_items"] {
        needs(task, &["detect_topics"]);
        needs("finalize", &[task]);
    }
    needs("finalize", &["generate_waveform", "mixdown_tracks", "process_tracks", "detect_topics"]);
    needs("cleanup_consent", &["finalize"]);
    needs("post_zulip", &["cleanup_consent"]);
    needs("send_webhook", &["cleanup_consent"]);
    assert_eq!(edges("DiarizationPipeline").len(), 13);
    assert_eq!(
        edges("TrackProcessing"),
        [("pad_track".to_owned(), vec![]), ("transcribe_track".to_owned(), vec!["pad_track".to_owned()])]
    );

    let pipeline = definitions.workflow("DiarizationPipeline").unwrap();
    let fan_outs: Vec<_> =
        pipeline.tasks.iter().filter_map(|task| Some((&*task.name, task.fan_out.as_deref()?))).collect();
    assert_eq!(fan_outs, [("process_tracks", "TrackProcessing")]);
    assert_eq!(pipeline.on_failure.as_ref().unwrap().name, "mark_failed");
    let concurrency = pipeline.concurrency.as_ref().unwrap();
    assert_eq!(concurrency.key, ConcurrencyKey::InputField("transcript_id".to_owned()));
    assert_eq!(concurrency.max_runs, 1);
    for (workflow, task) in definitions.all_tasks() {
        let pool = match task.name.as_str() {
            "pad_track" | "mixdown_tracks" => Pool::Audio,
            "transcribe_track" => Pool::Speech,
            _ => Pool::Io,
        };
        assert_eq!(task.pool, pool, "{}/{}", workflow.name, task.name);
    }
}

#[test]
fn the_names_on_the_wire_are_pinned() {
    let definitions = Definitions::embedded(default_pool_sizes(2, 1)).unwrap();
    let refs: Vec<String> =
        definitions.all_tasks().map(|(workflow, task)| crate::workflow::task_ref(&workflow.name, &task.name)).collect();
    let names: Vec<&str> = definitions.workflows().iter().map(|workflow| &*workflow.name).collect();
    assert_eq!(names, ["DiarizationPipeline", "TrackProcessing"]);
    assert_eq!(
        refs,
        [
            "diarizationpipeline:get_recording",
            "diarizationpipeline:get_participants",
            "diarizationpipeline:process_tracks",
            "diarizationpipeline:mixdown_tracks",
            "diarizationpipeline:generate_waveform",
            "diarizationpipeline:detect_topics",
            "diarizationpipeline:generate_title",
            "diarizationpipeline:generate_summary",
            "diarizationpipeline:identify_action_items",
            "diarizationpipeline:finalize",
            "diarizationpipeline:cleanup_consent",
            "diarizationpipeline:post_zulip",
            "diarizationpipeline:send_webhook",
            "diarizationpipeline:mark_failed",
            "trackprocessing:pad_track",
            "trackprocessing:transcribe_track",
        ]
    );
}

#[test]
fn u1_cleanup_waits_for_every_task_that_reads_or_writes_audio() {
    let definitions = Definitions::embedded(default_pool_sizes(2, 1)).unwrap();
    let pipeline = definitions.workflow("DiarizationPipeline").unwrap();
    let mut before = std::collections::BTreeSet::new();
    let mut open = vec!["cleanup_consent"];
    while let Some(task) = open.pop().and_then(|name| pipeline.task(name)) {
        open.extend(task.parents.iter().map(String::as_str));
        before.extend(task.parents.iter().map(String::as_str));
    }
    for task in ["process_tracks", "mixdown_tracks", "generate_waveform", "finalize"] {
        assert!(before.contains(task), "{task}");
    }
}

#[test]
fn each_mistake_is_named_by_file_line_task_and_field() {
    let cases = [
        (
            "[[task]]\nname='a'\npool='io'\nparent=['b']\n",
            "w.toml:14: task \"a\", field \"parent\": no task has such a field; did you mean \"parents\"?",
        ),
        (
            "[[task]]\nname='a'\npool='io'\nparents=['b']\n",
            "w.toml:14: task \"a\", field \"parents\": there is no task \"b\"",
        ),
        (
            "[[task]]\nname='a'\npool='io'\nparents=['a']\n",
            "w.toml:14: task \"a\", field \"parents\": a task can't be its own parent",
        ),
        (
            "[[task]]\nname='a'\npool='io'\n[[task]]\nname='b'\npool='io'\nparents=['a','a']\n",
            "w.toml:17: task \"b\", field \"parents\": \"a\" is listed twice",
        ),
        (
            "[[task]]\nname='a'\npool='io'\n[[task]]\nname='a'\npool='io'\n",
            "w.toml:15: task \"a\", field \"name\": there is a task of this name already",
        ),
        (
            "[[task]]\nname='a'\npool='cpu'\n",
            "w.toml:13: task \"a\", field \"pool\": there is no pool \"cpu\"; known: audio, speech, io",
        ),
        ("[[task]]\nname='a'\n", "task \"a\", field \"pool\": is missing"),
        (
            "[input_schema]\ntype='string'\n[[task]]\nname='a'\npool='io'\n",
            "field \"input_schema\": must be a JSON schema with type = \"object\"",
        ),
        (
            "[input_schema]\ntype='object'\nsince=2026-11-21\n[[task]]\nname='a'\npool='io'\n",
            "field \"input_schema\": must be something that JSON can say",
        ),
        ("[[task]]\npool='io'\n", "field \"name\": is missing"),
        (
            "[[task]]\nname='a'\npool='io'\nexecution_timeout='soon'\n",
            "w.toml:14: task \"a\", field \"execution_timeout\": \"soon\" is no duration",
        ),
        (
            "[[task]]\nname='a'\npool='io'\nexecution_timeout=90\n",
            "w.toml:14: task \"a\", field \"execution_timeout\": must be a duration as text, as in \"30m\", but is integer",
        ),
        (
            "[[task]]\nname='a'\npool='io'\nretries=11\n",
            "w.toml:14: task \"a\", field \"retries\": must be a whole number from 0 to 10, but is 11",
        ),
        (
            "[[task]]\nname='a'\npool='io'\nretries=-1\n",
            "field \"retries\": must be a whole number from 0 to 10, but is -1",
        ),
        (
            "[[task]]\nname='a'\npool='io'\nbackoff_factor=3\n",
            "field \"backoff_factor\": must be a whole number from 1 to 2, but is 3",
        ),
        ("[[task]]\nname='a'\npool='io'\nbackoff_max='25h'\n", "field \"backoff_max\": is too long"),
        (
            "[[task]]\nname='a'\npool='io'\nstall_timeout='10m'\n",
            "w.toml:14: task \"a\", field \"stall_timeout\": 10m must be less than the execution_timeout of 10m",
        ),
        (
            "[[task]]\nname='a'\npool='io'\nfan_out='Tracks'\n",
            "w.toml:14: task \"a\", field \"fan_out\": there is no workflow \"Tracks\"",
        ),
        (
            "[[task]]\nname='a'\npool='io'\nfan_out='W'\n",
            "w.toml:14: task \"a\", field \"fan_out\": workflows make runs of each other in a ring: W -> W",
        ),
        (
            "[[task]]\nname='skipped'\npool='io'\n",
            "w.toml:12: task \"skipped\", field \"name\": \"skipped\" is reserved",
        ),
        ("[[task]]\nname='Get'\npool='io'\n", "field \"name\": \"Get\" is no task name"),
        ("", "field \"task\": a workflow needs at least one [[task]]"),
        ("[task]\nname='a'\n", "field \"task\": must be a list of [[task]] tables, but is table"),
        (
            "[[task]]\nname='a'\npool='io'\n[on_failure]\nname='a'\npool='io'\n",
            "w.toml:15: task \"a\", field \"name\": is also one of the steps",
        ),
        (
            "[[task]]\nname='a'\npool='io'\nparents=['f']\n[on_failure]\nname='f'\npool='io'\n",
            "\"f\" is the on-failure task",
        ),
        (
            "[[task]]\nname='a'\npool='io'\n[on_failure]\nname='f'\npool='io'\nparents=['a']\n",
            "task \"f\", field \"parents\": an on-failure task has no such field",
        ),
        (
            "[concurrency]\nkey='input.'\nmax_runs=1\n[[task]]\nname='a'\npool='io'\n",
            "w.toml:12: field \"key\": \"input.\" is no key",
        ),
        ("[concurrency]\nkey='one'\n[[task]]\nname='a'\npool='io'\n", "field \"max_runs\": is missing"),
        ("[[task]]\nname='a'\npool='io'\n[extra]\n", "w.toml:14: field \"extra\": no workflow has such a field"),
        ("[[task]\n", "w.toml:11: this is not TOML"),
        ("[[task]]\nname='a'\nname='b'\n", "w.toml:13: this is not TOML: duplicate key"),
    ];
    for (tasks, wanted) in cases {
        let text = errors(tasks);
        assert!(text.contains(wanted), "\n{tasks}\ngave\n{text}\nnot\n{wanted}");
        assert_eq!(text.lines().count(), 1, "{tasks}\ngave\n{text}");
    }
}

#[test]
fn a_ring_of_parents_is_shown_whole() {
    let task = |name: &str, parent: &str| format!("[[task]]\nname='{name}'\npool='io'\nparents=['{parent}']\n");
    let text = errors(
        &["start", "c", "a", "b", "after"]
            .map(|n| {
                task(
                    n,
                    match n {
                        "start" => "b",
                        "c" => "b",
                        "a" => "c",
                        "b" => "a",
                        _ => "start",
                    },
                )
            })
            .concat(),
    );
    assert!(
        text.contains("task \"a\", field \"parents\": tasks wait for each other in a ring: a -> c -> b -> a"),
        "{text}"
    );
}

#[test]
fn workflows_can_not_make_runs_of_each_other_in_a_ring() {
    let file = |name: &str, child: &str| {
        format!("{}[[task]]\nname='a'\npool='io'\nfan_out='{child}'\n", HEAD.replace("'W'", &format!("'{name}'")))
    };
    let (one, two, three) = (file("One", "Two"), file("Two", "Three"), file("Three", "Two"));
    let text = parse(&[("1.toml", &one), ("2.toml", &two), ("3.toml", &three)]).unwrap_err().to_string();
    assert!(
        text.contains("3.toml:14: task \"a\", field \"fan_out\"") && text.contains("Three -> Two -> Three"),
        "{text}"
    );
}

#[test]
fn h4_a_fan_out_outlasts_its_children() {
    let child = format!(
        "{}[[task]]\nname='a'\npool='io'\n[[task]]\nname='b'\npool='io'\nparents=['a']\n",
        HEAD.replace("'W'", "'Child'")
    );
    let parent =
        |limit: &str| format!("{HEAD}[[task]]\nname='fan'\npool='io'\nfan_out='Child'\nexecution_timeout='{limit}'\n");
    assert!(parse(&[("w.toml", &parent("20m1s")), ("c.toml", &child)]).is_ok());
    let text = parse(&[("w.toml", &parent("20m")), ("c.toml", &child)]).unwrap_err().to_string();
    assert!(
        text.contains("w.toml:15: task \"fan\", field \"execution_timeout\": 20m includes the children's time"),
        "{text}"
    );
}

#[test]
fn names_that_differ_only_in_case_collide() {
    let (one, two) = (
        format!("{HEAD}[[task]]\nname='a'\npool='io'\n"),
        format!("{}[[task]]\nname='a'\npool='io'\n", HEAD.replace("'W'", "'w'")),
    );
    let text = parse(&[("1.toml", &one), ("2.toml", &two)]).unwrap_err().to_string();
    assert_eq!(text, "2.toml: field \"name\": 1.toml has this name already (case apart): choose another");
}

#[test]
fn missing_limits_are_reported_where_they_are_missing() {
    let text = parse(&[("w.toml", "name='W'\ndescription='d'\ninput='I'\n[[task]]\nname='a'\npool='io'\nretries=1\n")])
        .unwrap_err()
        .to_string();
    assert_eq!(text.lines().count(), 5, "{text}");
    assert!(text.contains("task \"a\", field \"stall_timeout\": is stated neither here nor in [defaults]"), "{text}");
}

#[test]
fn many_errors_in_many_files_are_reported_at_once() {
    let one =
        format!("{HEAD}[[task]]\nname='a'\npool='cpu'\nretries=99\n[[task]]\nname='b'\npool='io'\nstall_timeout='x'\n");
    let text = parse(&[("1.toml", &one), ("2.toml", "name = 3\n")]).unwrap_err().to_string();
    let places: Vec<&str> = text.lines().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(places[..3], ["1.toml:13", "1.toml:14", "1.toml:18"], "{text}");
    assert!(text.contains("2.toml:1: field \"name\": must be text in quotes, but is integer"), "{text}");
}

#[test]
fn tasks_are_put_into_an_order_they_can_run_in() {
    let text = format!(
        "{HEAD}[[task]]\nname='c'\npool='io'\nparents=['b']\n[[task]]\nname='x'\npool='io'\n[[task]]\nname='b'\npool='io'\nparents=['x']\n"
    );
    let definitions = parse(&[("w.toml", &text)]).unwrap();
    let names: Vec<&str> = definitions.workflow("W").unwrap().tasks.iter().map(|task| &*task.name).collect();
    assert_eq!(names, ["x", "b", "c"]);
}

#[test]
fn an_overrides_file_that_can_not_be_read_is_named() {
    let error = Definitions::load(default_pool_sizes(2, 1), Some(Path::new("/nowhere/limits.toml"))).unwrap_err();
    assert!(error.to_string().starts_with("/nowhere/limits.toml: can't be read: "), "{error}");
    assert!(Definitions::load(default_pool_sizes(2, 1), None).unwrap().overrides().is_empty());
}

#[test]
fn the_nearest_parents_imply_all_others() {
    let definitions = Definitions::embedded(default_pool_sizes(2, 1)).unwrap();
    let pipeline = definitions.workflow("DiarizationPipeline").unwrap();
    let nearest = |task| pipeline.nearest_parents(pipeline.task(task).unwrap());
    let leaves = ["generate_waveform", "generate_title", "generate_summary", "identify_action_items"];
    assert_eq!(nearest("finalize"), leaves);
    assert_eq!(nearest("send_webhook"), ["cleanup_consent"]);
    assert!(nearest("get_recording").is_empty());
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "(?s).{0,300}") {
        let _ = parse(&[("w.toml", &text)]);
    }

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse(&[("w.toml", &String::from_utf8_lossy(&bytes))]);
    }

    /// Near misses get further into the parser than arbitrary text.
    #[test]
    fn no_damage_to_a_good_file_makes_the_parser_panic(
        at in any::<prop::sample::Index>(), cut in 0usize..40, put in "(?s).{0,10}"
    ) {
        let (file, text) = EMBEDDED[0];
        let mut chars: Vec<char> = text.chars().collect();
        let start = at.index(chars.len());
        let end = (start + cut).min(chars.len());
        chars.splice(start..end, put.chars());
        let text: String = chars.into_iter().collect();
        let _ = parse(&[(file, &text), EMBEDDED[1]]);
    }
}
