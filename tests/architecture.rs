//! Holds what ARCHITECTURE.md and README.md say against the code: rooms and arrows, outside crates, tables of the store,
//! tasks and their files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// No source file is longer, in lines: a reader should see the whole of it.
const LONGEST_FILE: usize = 700;

/// Outside crates that only these rooms may name.
const KEPT_IN: [(&str, &[&str]); 20] = [
    ("sqlx", &["store"]),
    ("aws_config", &["storage"]),
    ("aws_sdk_s3", &["storage"]),
    ("reqwest", &["daily", "engine"]),
    ("tonic", &["engine"]),
    ("prost", &["engine"]),
    ("whisper_rs", &["speech"]),
    ("opus", &["audio"]),
    ("ogg", &["audio"]),
    ("mp3lame_encoder", &["audio"]),
    ("earshot", &["audio"]),
    ("rust_stemmers", &["language"]),
    ("stop_words", &["language"]),
    ("toml", &["workflow"]),
    ("axum", &["http"]),
    ("tower", &["http"]),
    ("hyper", &["http"]),
    ("clap", &["cli"]),
    ("indicatif", &["cli"]),
    ("anyhow", &["cli"]),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All Rust files below a folder, relative to the repository, sorted.
fn rust_files(folder: &str) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![root().join(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                files.push(path.strip_prefix(root()).unwrap().to_owned());
            }
        }
    }
    files.sort();
    files
}

/// The text without comments, so that links in docs are no uses.
fn code(file: &Path) -> String {
    let text = read(file);
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// The rows of the table below a heading of a Markdown file: cells, without its head.
fn table(document: &str, heading: &str) -> Vec<Vec<String>> {
    let text = read(document);
    let section = text.split(&format!("\n{heading}\n")).nth(1).unwrap_or_else(|| panic!("{document}: no {heading}"));
    let rows = section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let cells = |row: &str| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    rows.skip(2).map(cells).collect()
}

/// What stands between backticks.
fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// `src/engine/embedded/` or `src/ids.rs` as other rows name it: `engine/embedded`, `ids`.
fn room_name(path: &str) -> String {
    path.trim_start_matches("src/").trim_end_matches('/').trim_end_matches(".rs").to_owned()
}

/// Each room, and what it may use, as ARCHITECTURE.md says.
fn rooms() -> BTreeMap<String, BTreeSet<String>> {
    let rows = table("ARCHITECTURE.md", "## Rooms");
    let rooms: BTreeMap<_, _> = rows
        .iter()
        .map(|row| (room_name(&quoted(&row[0])[0]), quoted(&row[2]).into_iter().collect::<BTreeSet<_>>()))
        .collect();
    assert!(rooms.len() >= 16, "the table of rooms is not read any more");
    rooms
}

/// The room that a module path lies in: the one with the longest name that the path begins with.
fn room_of<'a>(rooms: &'a BTreeMap<String, BTreeSet<String>>, path: &[String]) -> Option<&'a str> {
    (1..=path.len()).rev().find_map(|length| {
        let name = path[..length].join("/");
        rooms.get_key_value(&name).map(|(name, _)| name.as_str())
    })
}

/// A file's module path: `src/a/b.rs` and `src/a/b/mod.rs` are `a::b`.
fn module(file: &Path) -> Vec<String> {
    let inside = file.strip_prefix("src").unwrap().with_extension("");
    let mut path: Vec<String> = inside.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if path.last().is_some_and(|last| last == "mod") {
        path.pop();
    }
    path
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Reads a path or a tree of paths (`a::{b, c::d}`) at the front of `text`, and gives what follows.
fn paths<'a>(mut text: &'a str, before: &[String], found: &mut Vec<Vec<String>>) -> &'a str {
    let mut path = before.to_vec();
    loop {
        text = text.trim_start();
        if let Some(mut inside) = text.strip_prefix('{') {
            loop {
                inside = paths(inside, &path, found).trim_start();
                match inside.strip_prefix(',') {
                    Some(rest) => inside = rest,
                    None => return inside.strip_prefix('}').unwrap_or(inside),
                }
            }
        }
        let length = text.bytes().take_while(|byte| is_name(*byte)).count();
        if length == 0 {
            break;
        }
        path.push(text[..length].to_owned());
        text = &text[length..];
        match text.trim_start().strip_prefix("::") {
            Some(rest) => text = rest,
            None => break,
        }
    }
    found.push(path);
    text
}

/// Everything of this program that a file names by `crate::` or `super::`, as paths from the crate's root.
fn uses(file: &Path) -> Vec<Vec<String>> {
    let code = code(file);
    let mut found = Vec::new();
    for (at, start) in code.match_indices("crate::").chain(code.match_indices("super::")) {
        let before = &code[..at];
        if before.bytes().last().is_some_and(|byte| is_name(byte) || byte == b':') {
            continue; // Part of another name, or of a chain of supers that is read from its front.
        }
        let (mut path, mut rest) = (module(file), &code[at..]);
        if start == "crate::" {
            path.clear();
            rest = &rest[start.len()..];
        }
        while let Some(up) = rest.strip_prefix("super::") {
            path.pop();
            rest = up;
        }
        paths(rest, &path, &mut found);
    }
    found
}

#[test]
fn trees_of_paths_are_read() {
    let mut found = Vec::new();
    paths("a::{b, c::{d, e}, self};", &[], &mut found);
    let found: Vec<String> = found.iter().map(|path| path.join("::")).collect();
    assert_eq!(found, ["a::b", "a::c::d", "a::c::e", "a::self"]);
}

#[test]
fn every_arrow_between_rooms_is_one_that_architecture_md_allows() {
    let rooms = rooms();
    let mut wrong = Vec::new();
    let (mut files, mut arrows) = (0, 0);
    for file in rust_files("src").iter().filter(|file| *file != Path::new("src/lib.rs")) {
        let Some(room) = room_of(&rooms, &module(file)) else {
            wrong.push(format!("{}: lies in no room of ARCHITECTURE.md", file.display()));
            continue;
        };
        files += 1;
        for used in uses(file) {
            let Some(other) = room_of(&rooms, &used) else { continue };
            arrows += 1;
            if other != room && !rooms[room].contains(other) {
                wrong.push(format!("{}: {room} → {other} ({})", file.display(), used.join("::")));
            }
        }
    }
    assert!(files > 100 && arrows > 300, "uses are not read any more: {files} files, {arrows} arrows");
    assert!(wrong.is_empty(), "forbidden arrows:\n{}", wrong.join("\n"));
}

#[test]
fn the_rooms_are_the_crates_modules_and_no_arrows_go_in_circles() {
    let rooms = rooms();
    let library = code(Path::new("src/lib.rs"));
    let modules = library.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    let modules: BTreeSet<&str> = modules.chain(["main"]).collect();
    let outer: BTreeSet<&str> = rooms.keys().filter(|room| !room.contains('/')).map(String::as_str).collect();
    assert_eq!(outer, modules);

    let mut left = rooms;
    while !left.is_empty() {
        let leaves: Vec<String> = left
            .iter()
            .filter(|(_, used)| used.iter().all(|room| !left.contains_key(room)))
            .map(|(r, _)| r.clone())
            .collect();
        assert!(!leaves.is_empty(), "arrows go in a circle among {:?}", left.keys());
        left.retain(|room, _| !leaves.contains(room));
    }
}

#[test]
fn outside_crates_stay_in_their_rooms() {
    let architecture = read("ARCHITECTURE.md");
    let is_in = |file: &Path, rooms: &[&str]| module(file).first().is_some_and(|first| rooms.contains(&first.as_str()));
    let mut wrong = Vec::new();
    for (name, rooms) in KEPT_IN {
        assert!(architecture.contains(&format!("`{name}`")), "ARCHITECTURE.md does not tell of {name}");
        let needle = format!("{name}::");
        for file in rust_files("src").iter().filter(|file| !is_in(file, rooms)) {
            let code = code(file);
            let is_used = code
                .match_indices(&needle)
                .any(|(at, _)| !code[..at].bytes().last().is_some_and(|byte| is_name(byte) || byte == b':'));
            if is_used {
                wrong.push(format!("{}: {name} belongs in {}", file.display(), rooms.join(" and ")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_file_is_too_long_to_be_read() {
    for folder in ["src", "tests", "examples"] {
        for file in rust_files(folder) {
            let lines = read(&file).lines().count();
            assert!(lines <= LONGEST_FILE, "{} has {lines} lines: split it", file.display());
        }
    }
}

#[test]
fn nothing_but_tests_unwraps() {
    for file in rust_files("src") {
        let name = file.file_stem().unwrap().to_str().unwrap();
        let is_test = name.ends_with("tests") || name == "testing";
        // Helpers of tests are declared as such in the module above.
        let above = file.with_file_name("mod.rs");
        let is_declared = |above: String| {
            let lines: Vec<&str> = above.lines().collect();
            let ending = format!("mod {name};");
            lines.windows(2).any(|two| two[0] == "#[cfg(test)]" && two[1].ends_with(&ending))
        };
        let is_test = is_test || root().join(&above).exists() && is_declared(code(&above));
        if is_test {
            continue;
        }
        // Tests stand at the end.
        let code = code(&file);
        let code = code.split("#[cfg(test)]\nmod tests").next().unwrap();
        for (at, line) in code.lines().enumerate() {
            assert!(!line.contains(".unwrap()"), "{}:{}: {}", file.display(), at + 1, line.trim());
        }
    }
}

#[test]
fn every_task_has_a_file_of_its_name() {
    let mut tasks = 0;
    for entry in std::fs::read_dir(root().join("workflows")).unwrap() {
        let path = entry.unwrap().path();
        let workflow: toml::Table = toml::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let steps = workflow["task"].as_array().unwrap().iter().chain(workflow.get("on_failure"));
        for step in steps {
            let name = step["name"].as_str().unwrap();
            let code = read(format!("src/pipeline/{name}.rs"));
            assert!(code.contains(&format!("const NAME: &'static str = \"{name}\";")), "{name}");
            assert!(read("ARCHITECTURE.md").contains(name), "ARCHITECTURE.md does not tell of {name}");
            tasks += 1;
        }
    }
    assert_eq!(tasks, 16);
}

#[test]
fn architecture_md_names_every_table_of_the_store() {
    let told: BTreeSet<String> =
        table("ARCHITECTURE.md", "## The store").iter().flat_map(|row| quoted(&row[0])).collect();
    let mut made = BTreeSet::new();
    for entry in std::fs::read_dir(root().join("migrations")).unwrap() {
        let migration = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        made.extend(
            migration
                .lines()
                .filter_map(|line| Some(line.strip_prefix("CREATE TABLE ")?.split(' ').next()?.to_owned())),
        );
    }
    assert_eq!(told, made);
}

#[test]
fn readme_md_names_the_oldest_rust_that_will_do() {
    let cargo: toml::Table = toml::from_str(&read("Cargo.toml")).unwrap();
    let wanted = cargo["package"]["rust-version"].as_str().unwrap();
    assert!(read("README.md").contains(&format!("Rust {wanted} or later")));
}
