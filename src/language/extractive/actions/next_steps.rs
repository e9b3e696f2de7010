//! What somebody said they, or somebody else, will do.

use std::ops::Range;

use super::cues::{self, Cues, marked};
use super::deadline;
use crate::language::extractive::phrases::upper_first;
use crate::language::extractive::reading::{Reading, Sentence};
use crate::transcript::ActionItem;

/// How many sentences later a request may still be accepted or refused.
const ANSWERED_WITHIN: usize = 3;
/// How many sentences back the noun that "it" stands for may be.
const PRONOUN_REACH: usize = 4;
/// Words of the longest task.
const LONGEST: usize = 30;
/// Two tasks that share this much of their words are one.
const SAME_TASK: f64 = 0.75;

/// Why a stretch of a sentence may be a task.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Promise,
    PromiseIfTask,
    Named,
    Group,
    Proposal,
    Request,
    Imperative,
    Label,
}

struct Match {
    kind: Kind,
    /// Where its clause begins, name included.
    start: usize,
    /// The first word behind the cue.
    verb: usize,
    assignee: Option<String>,
}

struct Step {
    at: usize,
    item: ActionItem,
    kind: Kind,
    terms: Vec<String>,
}

/// Next steps in the order they were said, each once.
pub(super) fn next_steps(reading: &Reading<'_>, cues: &Cues) -> Vec<ActionItem> {
    let names = Names::of(reading);
    let mut steps: Vec<Step> = Vec::new();
    for (at, sentence) in reading.sentences.iter().enumerate() {
        let matches = matches(reading, sentence, &names, cues);
        for (nth, found) in matches.iter().enumerate() {
            let until = matches.get(nth + 1).map_or(sentence.tokens.len(), |next| next.start);
            if let Some(step) = step(reading, at, found, until, &names, cues) {
                add(&mut steps, step);
            }
        }
    }
    steps.into_iter().map(|step| step.item).collect()
}

/// All cues of a sentence, in order.
fn matches(reading: &Reading<'_>, sentence: &Sentence, names: &Names, cues: &Cues) -> Vec<Match> {
    let mut found: Vec<Match> = Vec::new();
    let mut at = 0;
    while at < sentence.tokens.len() {
        let speaker = || Some(reading.meeting.speaker_name(sentence.speaker));
        let tables = [
            (Kind::Label, cues.label),
            (Kind::Request, cues.request),
            (Kind::Promise, cues.own),
            (Kind::PromiseIfTask, cues.own_if_task),
            (Kind::Group, cues.group),
            (Kind::Proposal, cues.proposal),
            (Kind::Imperative, cues.imperative),
        ];
        let hit =
            tables.into_iter().find_map(|(kind, table)| cues::at(sentence, at, table).map(|length| (kind, length)));
        let named = names.at(sentence, at).and_then(|(name, length)| {
            let behind = at + length;
            (!marked(sentence, behind)).then_some(())?;
            cues::at(sentence, behind, cues.named).map(|more| (name, behind + more))
        });
        let (found_here, next) = match (named, hit) {
            (Some((name, verb)), _) => (Match { kind: Kind::Named, start: at, verb, assignee: Some(name) }, verb),
            (None, Some((kind, length))) => {
                let assignee = match kind {
                    Kind::Promise | Kind::PromiseIfTask => speaker(),
                    Kind::Request | Kind::Imperative | Kind::Label => names.addressed(sentence),
                    _ => None,
                };
                (Match { kind, start: at, verb: at + length, assignee }, at + length)
            }
            (None, None) => {
                at += 1;
                continue;
            }
        };
        let inside_request =
            matches!(found_here.kind, Kind::Imperative) && found.last().is_some_and(|last| at == last.verb);
        if !inside_request {
            found.push(found_here);
        }
        at = next;
    }
    found
}

fn step(reading: &Reading<'_>, at: usize, found: &Match, until: usize, names: &Names, cues: &Cues) -> Option<Step> {
    let sentence = &reading.sentences[at];
    let asks = matches!(found.kind, Kind::Request | Kind::Imperative);
    if sentence.is_question() && !asks || cues::has(sentence, found.start, cues.hedges) {
        return None;
    }
    if found.start > 0 && !asks && cues.subordinate.contains(&sentence.tokens[found.start - 1].word.as_str()) {
        return None;
    }
    let mut verb = found.verb;
    while let Some(length) = cues::at(sentence, verb, cues.adverbs) {
        verb += length;
    }
    if cues::at(sentence, verb, cues.negations).is_some() || cues::at(sentence, verb, cues.no_tasks).is_some() {
        return None;
    }
    let clause = clause(reading, sentence, verb, until, names, cues);
    let due = deadline::find(sentence, clause.clone(), cues);
    let strict = matches!(found.kind, Kind::PromiseIfTask | Kind::Imperative) || cues.code == "en" && asks;
    let a_task = cues.tasks.is_empty() || cues::at(sentence, verb, cues.tasks).is_some();
    if strict && !a_task
        || found.kind == Kind::Proposal && due.is_none()
        || due.is_none() && cues::at(sentence, verb, cues.in_call).is_some()
        || found.kind == Kind::Group && due.is_none() && cues::at(sentence, verb, cues.choices).is_some()
    {
        return None;
    }
    let mut assignee = found.assignee.clone();
    if asks {
        match answer(reading, at, assignee.as_deref(), cues) {
            Answer::Refused => return None,
            Answer::Accepted(name) => assignee = assignee.or(Some(name)),
            Answer::None if assignee.is_none() && found.kind == Kind::Request => return None,
            Answer::None => {}
        }
    }
    let (mut task, words) = task(reading, at, clause, due.clone(), cues)?;
    if asks && cues.code == "en" {
        // `Send me a list` was said by the one who gets it, and is read by others.
        task = task.replace(" me ", &format!(" {} ", reading.meeting.speaker_name(sentence.speaker)));
    }
    let deadline =
        due.map(|due| sentence.text[sentence.tokens[due.start].start..sentence.tokens[due.end - 1].end].to_owned());
    if words < 2 && deadline.is_none() {
        return None;
    }
    let terms = terms(reading, &task);
    Some(Step { at, item: ActionItem { task, assignee, deadline }, kind: found.kind, terms })
}

/// From the verb to the end of what is promised.
fn clause(
    reading: &Reading<'_>,
    sentence: &Sentence,
    verb: usize,
    until: usize,
    names: &Names,
    cues: &Cues,
) -> Range<usize> {
    let words = reading.lexicon.words;
    let new_subject = |word: &str| {
        (words.leaning.contains(&word) || words.before_verbs.contains(&word))
            && !cues.joins.contains(&word)
            && word != "to"
    };
    let mut end = (verb + 1..until.max(verb))
        .find(|at| {
            cues::at(sentence, *at, cues.clause_ends).is_some()
                || (marked(sentence, *at) && new_subject(&sentence.tokens[*at].word))
                || (marked(sentence, *at)
                    && sentence.text[..sentence.tokens[*at].start].trim_end().ends_with(['.', '!', '?', ';']))
        })
        .unwrap_or(until)
        .min(sentence.tokens.len());
    // `…, Bob?` and `…, please.` are not part of the task, nor is the "and" before the next promise.
    while end > verb + 1 {
        let last = end - 1;
        let word = sentence.tokens[last].word.as_str();
        let aside = marked(sentence, last) && (names.at(sentence, last).is_some() || cues.imperative.contains(&word));
        if !aside && !cues.joins.contains(&word) && !cues.imperative.contains(&word) {
            break;
        }
        end = last;
    }
    verb.min(end)..end
}

/// The task's text without its deadline, and how many words it has.
fn task(
    reading: &Reading<'_>,
    at: usize,
    clause: Range<usize>,
    due: Option<Range<usize>>,
    cues: &Cues,
) -> Option<(String, usize)> {
    let sentence = &reading.sentences[at];
    let piece = |range: Range<usize>| match (sentence.tokens.get(range.start), range.is_empty()) {
        (Some(first), false) => sentence.text[first.start..sentence.tokens[range.end - 1].end].to_owned(),
        _ => String::new(),
    };
    let cut = clause.start..clause.end.min(clause.start + LONGEST);
    let mut kept = match &due {
        Some(due) if due.start >= cut.start && due.end <= cut.end => {
            format!("{} {}", piece(cut.start..due.start), piece(due.end..cut.end))
        }
        _ => piece(cut.clone()),
    };
    kept = kept.split_whitespace().collect::<Vec<_>>().join(" ");
    let words = kept.split(' ').filter(|word| !word.is_empty()).count();
    if words == 0 {
        return None;
    }
    if cut.end < clause.end {
        kept.push('…');
    }
    let ends_in_pronoun =
        kept.rsplit(' ').next().is_some_and(|last| cues.pronouns.contains(&last.to_lowercase().as_str()));
    if ends_in_pronoun && let Some(meant) = meant(reading, at, &sentence.tokens[clause.start].word) {
        kept = format!("{kept} ({meant})");
    }
    Some((upper_first(&kept), words))
}

/// What "it" most likely stands for: what was last done with the same verb, else the only noun with an article in the
/// nearest sentence that has one. `None` rather than a guess.
fn meant(reading: &Reading<'_>, at: usize, verb: &str) -> Option<String> {
    let before = || reading.sentences[at.saturating_sub(PRONOUN_REACH)..at].iter().rev();
    let same_verb = before().find_map(|sentence| {
        let place = sentence.tokens.iter().position(|token| token.word == verb)?;
        nouns(reading, sentence).into_iter().find(|noun| noun.0 == place + 1).map(|noun| noun.1)
    });
    same_verb.or_else(|| {
        let nearest = before().map(|sentence| nouns(reading, sentence)).find(|nouns| !nouns.is_empty())?;
        match nearest.as_slice() {
            [(_, only)] => Some(only.clone()),
            _ => None,
        }
    })
}

/// The nouns with an article in a sentence: where the article is, and the noun with "the".
fn nouns(reading: &Reading<'_>, sentence: &Sentence) -> Vec<(usize, String)> {
    let Some(the) = reading.lexicon.words.article else { return Vec::new() };
    let is_term = |at: usize| sentence.terms.get(at).is_some_and(Option::is_some) && !marked(sentence, at);
    (0..sentence.tokens.len())
        .filter(|at| [the, "a", "an", "our"].contains(&sentence.tokens[*at].word.as_str()) && is_term(at + 1))
        .map(|at| {
            let last = (at + 1..at + 4).take_while(|next| is_term(*next)).last().unwrap_or(at + 1);
            (at, format!("{the} {}", &sentence.text[sentence.tokens[at + 1].start..sentence.tokens[last].end]))
        })
        .collect()
}

enum Answer {
    Accepted(String),
    Refused,
    None,
}

/// What the asked person, or when nobody was named anybody else, answers right away.
fn answer(reading: &Reading<'_>, at: usize, asked: Option<&str>, cues: &Cues) -> Answer {
    let asking = &reading.sentences[at];
    let later = reading.sentences[at + 1..].iter().take(ANSWERED_WITHIN).find(|sentence| {
        let name = reading.meeting.speaker_name(sentence.speaker);
        sentence.speaker != asking.speaker && asked.is_none_or(|asked| asked == name)
    });
    match later {
        Some(reply) if cues::has(reply, reply.tokens.len(), cues.refusing) => Answer::Refused,
        Some(reply) if cues::at(reply, 0, cues.accepting).is_some() => {
            Answer::Accepted(reading.meeting.speaker_name(reply.speaker))
        }
        _ => Answer::None,
    }
}

fn terms(reading: &Reading<'_>, task: &str) -> Vec<String> {
    let mut terms: Vec<String> = crate::language::extractive::tokens::tokens(task)
        .into_iter()
        .filter(|token| !reading.lexicon.is_stop(&token.word))
        .map(|token| reading.lexicon.stem(&token.word))
        .collect();
    terms.sort();
    terms.dedup();
    terms
}

/// Adds a step, or lets it complete one that says the same: the same words, or a promise that answers a request.
fn add(steps: &mut Vec<Step>, step: Step) {
    let same = steps.iter_mut().find(|other| {
        let people = match (&other.item.assignee, &step.item.assignee) {
            (Some(a), Some(b)) => a == b,
            _ => true,
        };
        let both = other.terms.iter().filter(|term| step.terms.contains(term)).count() as f64;
        let smaller = other.terms.len().min(step.terms.len()).max(1) as f64;
        let answers = matches!(other.kind, Kind::Request) && step.at - other.at <= ANSWERED_WITHIN && both >= 1.0;
        people && (both / smaller >= SAME_TASK || answers)
    });
    match same {
        Some(other) => {
            let fuller = step.terms.len() > other.terms.len();
            other.item.assignee = other.item.assignee.take().or(step.item.assignee);
            other.item.deadline = step.item.deadline.or(other.item.deadline.take());
            if fuller {
                other.item.task = step.item.task;
                other.terms = step.terms;
            }
        }
        None => steps.push(step),
    }
}

/// Participants' names as they are said: the whole name, or the first name where only one has it.
struct Names {
    spoken: Vec<(Vec<String>, String)>,
}

impl Names {
    fn of(reading: &Reading<'_>) -> Self {
        let mut spoken: Vec<(Vec<String>, String)> = Vec::new();
        let mut first_names: Vec<(String, String)> = Vec::new();
        for name in reading.meeting.speakers() {
            let words: Vec<String> =
                crate::language::extractive::tokens::tokens(name).into_iter().map(|token| token.word).collect();
            if let [first, _, ..] = words.as_slice() {
                first_names.push((first.clone(), name.trim().to_owned()));
            }
            if !words.is_empty() {
                spoken.push((words, name.trim().to_owned()));
            }
        }
        for (first, name) in &first_names {
            if first_names.iter().filter(|(other, _)| other == first).count() == 1 {
                spoken.push((vec![first.clone()], name.clone()));
            }
        }
        spoken.sort_by(|a, b| b.0.len().cmp(&a.0.len()).then_with(|| a.cmp(b)));
        Self { spoken }
    }

    /// The participant named at word `at`, and in how many words.
    fn at(&self, sentence: &Sentence, at: usize) -> Option<(String, usize)> {
        let tokens = &sentence.tokens[at.min(sentence.tokens.len())..];
        let written = tokens.first()?;
        let caseless = !written.word.chars().any(|c| c.is_lowercase() || c.is_uppercase());
        if !written.capital && !caseless {
            return None;
        }
        (self.spoken.iter())
            .find(|(words, _)| {
                words.len() <= tokens.len() && words.iter().zip(tokens).all(|(word, token)| *word == token.word)
            })
            .map(|(words, name)| (name.clone(), words.len()))
    }

    /// Who a request is for: a name set apart by a comma, at the beginning or the end.
    fn addressed(&self, sentence: &Sentence) -> Option<String> {
        let count = sentence.tokens.len();
        (0..count.min(4)).chain(count.saturating_sub(2)..count).find_map(|at| {
            let (name, length) = self.at(sentence, at)?;
            let ends = at + length >= count || marked(sentence, at + length);
            let begins = at == 0 || marked(sentence, at) || at + length < count;
            (ends && begins).then_some(name)
        })
    }
}
