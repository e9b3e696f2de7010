//! Which rooms' recordings are processed: `ROOMS=all|configured|<pattern>`.

use crate::store::{Database, StoreError, rooms};

/// Which rooms' recordings are processed. Rooms are matched by base name, whatever case.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum RoomPolicy {
    /// Nobody said: all while no room is configured, else those that are.
    #[default]
    Unsaid,
    /// Every room's.
    All,
    /// Those of rooms in the table of rooms.
    Configured,
    /// Those that one of these fits; `*` stands for any letters, none among them.
    Patterns(Vec<String>),
}

impl RoomPolicy {
    /// From patterns divided by commas.
    pub fn patterns(text: &str) -> Self {
        let patterns = text.split(',').map(str::trim).filter(|pattern| !pattern.is_empty());
        Self::Patterns(patterns.map(str::to_owned).collect())
    }

    /// Why recordings of this room are not processed; `None` when they are.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn refusal(&self, database: &Database, room: Option<&str>) -> Result<Option<String>, StoreError> {
        let configured_only = match self {
            Self::All => return Ok(None),
            Self::Unsaid => rooms::any(database).await?,
            Self::Configured => true,
            Self::Patterns(patterns) => {
                let base = base_name(room.unwrap_or_default());
                let fits = patterns.iter().any(|pattern| fits(pattern, base));
                return Ok((!fits).then(|| format!("ROOMS={} does not fit {}", patterns.join(","), called(room))));
            }
        };
        if !configured_only {
            return Ok(None);
        }
        let base = base_name(room.unwrap_or_default());
        let known = rooms::list(database).await?.iter().any(|row| row.name.eq_ignore_ascii_case(base));
        Ok((!known).then(|| format!("{} is not among the configured rooms", called(room))))
    }
}

fn called(room: Option<&str>) -> String {
    match room {
        Some(room) => format!("room {:?}", base_name(room)),
        None => "a recording whose room is not known".to_owned(),
    }
}

/// A room's name without the time at its end, where it is `{base}-{YYYYMMDDHHMMSS}`.
pub fn base_name(room: &str) -> &str {
    match room.rsplit_once('-') {
        Some((base, time))
            if !base.is_empty() && time.len() == 14 && time.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            base
        }
        _ => room,
    }
}

/// Whether the whole of `text` fits `pattern`, whatever case. Linear but for going back to the last `*`.
fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.to_lowercase().chars().collect(), text.to_lowercase().chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut last_star: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&'*') {
            last_star = Some((p, t));
            p += 1;
        } else if pattern.get(p) == Some(&text[t]) {
            p += 1;
            t += 1;
        } else if let Some((star, from)) = last_star {
            last_star = Some((star, from + 1));
            p = star + 1;
            t = from + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    #[test]
    fn rooms_made_per_meeting_are_known_by_what_comes_before_the_time() {
        for (room, base) in [
            ("standup-20260105090000", "standup"),
            ("team-standup-20260105090000", "team-standup"),
            ("standup-2026", "standup-2026"),
            ("standup-2026010509000x", "standup-2026010509000x"),
            ("-20260105090000", "-20260105090000"),
            ("standup", "standup"),
            ("", ""),
        ] {
            assert_eq!(base_name(room), base);
        }
    }

    #[test]
    fn a_star_stands_for_any_letters() {
        for (pattern, text, expected) in [
            ("standup", "Standup", true),
            ("standup", "standup2", false),
            ("standup*", "standup", true),
            ("*up", "standup", true),
            ("s*d*p", "standup", true),
            ("s*d*q", "standup", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("a**b", "ab", true),
            ("*ab", "aab", true),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_text_fits_itself_with_anything_replaced_by_a_star(before in "[a-z-]{0,8}", between in "[a-z-]{0,8}", after in "[a-z-]{0,8}") {
            let pattern = format!("{before}*{after}");
            let text = format!("{before}{between}{after}");
            proptest::prop_assert!(fits(&pattern, &text));
        }
    }

    #[tokio::test]
    async fn all_rooms_are_processed_until_the_first_is_configured() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open_file(&folder.path().join("a.db")).await.unwrap();
        database.migrate().await.unwrap();
        let refusal = async |policy: &RoomPolicy, room| policy.refusal(&database, room).await.unwrap();
        let room = Some("standup-20260105090000");
        assert_eq!(refusal(&RoomPolicy::Unsaid, room).await, None);
        assert!(refusal(&RoomPolicy::Configured, room).await.is_some());
        rooms::put(&database, "planning", None, Timestamp::from_micros(1)).await.unwrap();
        let why = refusal(&RoomPolicy::Unsaid, room).await.unwrap();
        assert!(why.contains("\"standup\"") && why.contains("configured"), "{why}");
        rooms::put(&database, "standup", None, Timestamp::from_micros(1)).await.unwrap();
        assert_eq!(refusal(&RoomPolicy::Unsaid, room).await, None);
        assert_eq!(refusal(&RoomPolicy::All, Some("other")).await, None);
        let patterns = RoomPolicy::patterns("plan*, stand*");
        assert_eq!(refusal(&patterns, room).await, None);
        assert!(refusal(&patterns, Some("other")).await.unwrap().contains("ROOMS=plan*,stand*"));
        assert!(refusal(&patterns, None).await.is_some());
    }
}
