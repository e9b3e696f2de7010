//! `.env`: settings in a file beside where the program is started. What the environment sets already stays as it is.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::path::Path;
use std::rc::Rc;

use super::{ConfigError, ConfigErrors};

/// The file's name, in the folder that the program is started in.
pub const ENV_FILE: &str = ".env";

/// What stands in a `.env` file: names only, the values are in the environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EnvFile {
    names: BTreeSet<String>,
}

impl EnvFile {
    /// Whether the file sets this name.
    pub fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }
}

/// Puts the file's settings into the process's environment, those that are not set there already: so that settings
/// that are read by libraries (`RUST_LOG`, `AWS_PROFILE`) may stand there too. A missing file is an empty one.
///
/// To be called before the process has a second thread: environments are not made to be changed under readers.
///
/// # Errors
/// A file that can't be read; a line that is no setting, by its number and without its text, which may be a secret.
pub fn load_env_file(path: &Path) -> Result<EnvFile, ConfigErrors> {
    let shown = path.display().to_string();
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(EnvFile::default()),
        Err(error) => return Err(ConfigError::new(shown, format!("can't be read: {error}")).into()),
    };
    let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&text);
    let names = names(&shown, text)?;
    dotenvy::from_read_iter(text)
        .load()
        .map_err(|_| ConfigError::new(shown, "can't be read: it is not a list of NAME=value"))?;
    Ok(EnvFile { names })
}

/// The names that a file's text sets.
fn names(shown: &str, text: &[u8]) -> Result<BTreeSet<String>, ConfigErrors> {
    let lines_read = Rc::new(Cell::new(0));
    let lines = Lines { text, lines_read: lines_read.clone() };
    let (mut names, mut problems) = (BTreeSet::new(), BTreeMap::new());
    for setting in dotenvy::from_read_iter(lines) {
        let (line, problem) = match setting {
            Ok((name, _)) => {
                names.insert(name);
                continue;
            }
            Err(dotenvy::Error::LineParse(read, _)) => {
                // A quote that is never closed makes one line of all that follows: it begins at the first.
                (
                    lines_read.get() + 1 - read.lines().count().max(1),
                    "is not NAME=value; quote values with # $ or spaces",
                )
            }
            Err(_) => (lines_read.get(), "is not UTF-8"),
        };
        problems.insert(line, problem);
        if line == 0 {
            break;
        }
    }
    // The reader would put another variable's value there, or nothing where there is none of that name; or it stumbles.
    let with_dollar = lines_with_dollar(&String::from_utf8_lossy(text));
    let is_well_formed = problems.is_empty();
    let misread: Vec<_> =
        with_dollar.iter().filter(|(begin, _)| is_well_formed || problems.contains_key(begin)).collect();
    for (begin, _) in &misread {
        problems.remove(begin);
    }
    problems.extend(misread.iter().map(|(_, line)| (*line, "has a $: put the value in single quotes")));
    if problems.is_empty() {
        return Ok(names);
    }
    let told = problems.into_iter().map(|(line, problem)| ConfigError::new(format!("{shown} line {line}"), problem));
    Err(ConfigErrors(told.collect()))
}

/// Where the scan of a text stands.
#[derive(Clone, Copy)]
enum Place {
    /// Before the first letter of a line.
    Start,
    /// Before the `=`.
    Name,
    /// In a value, outside of quotes; whether a `#` here begins a comment.
    Bare { after_space: bool },
    /// Between single quotes, where everything is as it stands.
    Single,
    /// Between double quotes.
    Double,
    /// Up to the end of the line.
    Comment,
}

/// The lines on which a `$` means another variable: one in a value, neither between single quotes nor
/// behind a backslash. Each by the line that its setting begins on, and its own.
fn lines_with_dollar(text: &str) -> BTreeSet<(usize, usize)> {
    let (mut place, mut begin, mut line, mut lines, mut is_escaped) = (Place::Start, 1, 1, BTreeSet::new(), false);
    for c in text.chars() {
        let is_value = matches!(place, Place::Bare { .. } | Place::Double);
        if is_value && c == '$' && !is_escaped {
            lines.insert((begin, line));
        }
        if matches!(place, Place::Start) {
            begin = line;
        }
        place = match place {
            place if is_escaped => place,
            Place::Single if c == '\'' => Place::Bare { after_space: false },
            Place::Double if c == '"' => Place::Bare { after_space: false },
            Place::Single | Place::Double => place,
            _ if c == '\n' => Place::Start,
            Place::Start if c == '#' => Place::Comment,
            Place::Start if c.is_whitespace() => Place::Start,
            Place::Start | Place::Name if c == '=' => Place::Bare { after_space: true },
            Place::Start | Place::Name => Place::Name,
            Place::Bare { after_space: true } if c == '#' => Place::Comment,
            Place::Bare { .. } if c == '\'' => Place::Single,
            Place::Bare { .. } if c == '"' => Place::Double,
            Place::Bare { .. } => Place::Bare { after_space: c.is_whitespace() },
            Place::Comment => Place::Comment,
        };
        is_escaped = is_value && c == '\\' && !is_escaped;
        line += usize::from(c == '\n');
    }
    lines
}

/// Hands out one line per read, so that it is known how many were read.
struct Lines<'a> {
    text: &'a [u8],
    lines_read: Rc<Cell<usize>>,
}

impl Read for Lines<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let line = self.text.iter().position(|byte| *byte == b'\n').map_or(self.text.len(), |at| at + 1);
        let length = line.min(buffer.len());
        buffer[..length].copy_from_slice(&self.text[..length]);
        if length > 0 && length == line {
            self.lines_read.set(self.lines_read.get() + 1);
        }
        self.text = &self.text[length..];
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_no_setting_is_named_by_its_number_and_not_shown() {
        let table = [
            ("A=1\n\n# note\nB = 2\nthe s3cr3t\nC=3\n", ".env line 5"),
            ("A=\"one\ntwo\"\nB=s3cr3t two words\n", ".env line 3"),
            ("A=1\nB=\"s3cr3t is never closed\nC=1\nD=2", ".env line 2"),
            ("s3cr3t", ".env line 1"),
        ];
        for (text, says) in table {
            let error = names(".env", text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(says) && !error.contains("s3cr3t"), "{text:?}: {error}");
        }
    }

    #[test]
    fn settings_may_be_quoted_exported_and_explained() {
        let text = "# ours\nexport BIND=0.0.0.0:80 # open\r\nROOMS='a b'\nDAILY_API_KEY=\"x\ny\"\n\n";
        let names = names(".env", text.as_bytes()).unwrap();
        assert_eq!(names.into_iter().collect::<Vec<_>>(), ["BIND", "DAILY_API_KEY", "ROOMS"]);
    }

    #[test]
    fn a_dollar_is_refused_where_it_would_mean_another_variable() {
        let table = [
            ("A=1\nB=pa$word\n", Some(2)),
            ("B=\"pa$word\"", Some(1)),
            ("B=\"one\ntwo $x\"\nC=${D}", Some(2)),
            ("B='a'$x", Some(1)),
            ("export B = $x", Some(1)),
            ("B=a#$x", Some(1)),
            ("B=\"a\\\"$x\"", Some(1)),
            ("B='pa$word'\nC=\"pa\\$word\"\nD=pa\\$word # $5", None),
            ("# costs $5\n  # and $6\nB= # $x\nC=1", None),
            ("B='one\n$two'\nC=\"a'b\" # it's $x", None),
        ];
        for (text, line) in table {
            match (names(".env", text.as_bytes()), line) {
                (Ok(_), None) => {}
                (Err(error), Some(line)) => {
                    let error = error.to_string();
                    assert!(
                        error.contains(&format!(".env line {line} has a $")) && error.contains("single"),
                        "{error}"
                    );
                }
                (read, _) => panic!("{text:?}: {read:?}"),
            }
        }
    }

    #[test]
    fn a_missing_file_sets_nothing_and_a_folder_is_no_file() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(load_env_file(&folder.path().join(".env")), Ok(EnvFile::default()));
        assert!(load_env_file(folder.path()).is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_value_between_single_quotes_is_taken_as_it_stands(value in "[^'\\\\\r\0]{0,20}") {
            let text = format!("A='{value}'\n");
            proptest::prop_assert!(names(".env", text.as_bytes()).is_ok());
            let read = dotenvy::from_read_iter(text.as_bytes()).next().unwrap().unwrap();
            proptest::prop_assert_eq!(read, ("A".to_owned(), value));
        }

        #[test]
        fn what_is_taken_means_the_same_wherever_it_is_read(text in "[A-C]=[a-c$'\" #\\\\{}]{0,12}") {
            // A variable's value would be put where its name stands.
            let given = |value: &str| {
                let text = format!("a='{value}'\nb='{value}'\nc='{value}'\n{text}\n");
                let read: Vec<_> = dotenvy::from_read_iter(text.as_bytes()).skip(3).filter_map(Result::ok).collect();
                read
            };
            if names(".env", text.as_bytes()).is_ok() {
                proptest::prop_assert_eq!(given("1"), given("2"));
            }
        }

        #[test]
        fn no_bytes_break_the_reader(text in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            let _ = names(".env", &text);
        }
    }
}
