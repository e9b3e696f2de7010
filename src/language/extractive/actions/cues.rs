//! The shape of a language's cues, and how they are found in a sentence.

use super::cues_english::ENGLISH;
use super::cues_other::OTHERS;
use crate::language::extractive::reading::Sentence;

/// Word sequences in lower case; a cue may be of several words.
pub(super) type Table = &'static [&'static str];

/// How a language says that something is decided or will be done.
pub(super) struct Cues {
    /// ISO 639-1.
    pub code: &'static str,
    /// The speaker will do what follows: `i will`.
    pub own: Table,
    /// The same, where only a verb of `tasks` makes it a task: `i can`.
    pub own_if_task: Table,
    /// After a participant's name: `will`.
    pub named: Table,
    /// Somebody will, nobody is named: `we need to`.
    pub group: Table,
    /// A proposal; with a deadline it is a plan: `let's`.
    pub proposal: Table,
    /// Asks somebody: `can you`.
    pub request: Table,
    /// Asks without a question: `please`.
    pub imperative: Table,
    /// What follows is a task by its label: `action item`.
    pub label: Table,
    /// Verbs of real tasks, for `own_if_task`; empty: every verb.
    pub tasks: Table,
    /// Verbs that are no task: `see`, `be`.
    pub no_tasks: Table,
    /// Verbs for what is done within the call; a task only with a deadline: `explain`.
    pub in_call: Table,
    /// Right behind the cue: not, never.
    pub negations: Table,
    /// Before the cue: maybe; the whole sentence is no commitment.
    pub hedges: Table,
    /// Right before the cue: `if`, `what`, `until`.
    pub subordinate: Table,
    /// Between cue and verb, dropped: `also`.
    pub adverbs: Table,
    /// The clause ends before these.
    pub clause_ends: Table,
    /// Joins two clauses; dropped at a clause's end.
    pub joins: Table,
    /// Anywhere in a sentence: it is a decision.
    pub decided: Table,
    /// Decision when a verb of `choices` follows: `we will`.
    pub choosing: Table,
    /// `use`, `keep`, `go with`.
    pub choices: Table,
    /// Proposes: `we should`; a decision once another speaker agrees.
    pub proposing: Table,
    /// Sentences that agree begin with or are these.
    pub agreeing: Table,
    /// Sentences that accept a request begin with these.
    pub accepting: Table,
    /// Sentences that refuse contain these.
    pub refusing: Table,
    /// Words that stand for something said before.
    pub pronouns: Table,
    /// The end of time expressions, alone or behind a preposition: `friday`.
    pub days: Table,
    /// Before one of `days`: `by`, `next`.
    pub before_days: Table,
    /// Behind a deadline, part of it: `morning`, `at three`.
    pub after_days: Table,
    /// Whole expressions: `next week`.
    pub times: Table,
    /// Up to three words behind these, to the clause's end, name an event: `before the`.
    pub events: Table,
}

/// The cues of a language, where there are any.
pub(super) fn of(language: &str) -> Option<&'static Cues> {
    std::iter::once(&ENGLISH).chain(OTHERS).find(|cues| cues.code == language)
}

/// How many words of `sentence` at `at` the longest matching cue takes.
pub(super) fn at(sentence: &Sentence, at: usize, table: Table) -> Option<usize> {
    table.iter().filter_map(|cue| length(sentence, at, cue)).max()
}

fn length(sentence: &Sentence, at: usize, cue: &str) -> Option<usize> {
    let mut words = sentence.tokens[at.min(sentence.tokens.len())..].iter();
    let mut count = 0;
    for word in cue.split(' ') {
        if words.next()?.word != word {
            return None;
        }
        count += 1;
    }
    Some(count)
}

/// Where the first cue of `table` within `from..to` is, and how many words it takes.
pub(super) fn first(sentence: &Sentence, from: usize, to: usize, table: Table) -> Option<(usize, usize)> {
    (from..to).find_map(|place| at(sentence, place, table).map(|length| (place, length)))
}

/// Whether the sentence has a cue of `table` before word `to`.
pub(super) fn has(sentence: &Sentence, to: usize, table: Table) -> bool {
    first(sentence, 0, to, table).is_some()
}

/// Whether the text before word `at` has a mark in it that ends a clause.
pub(super) fn marked(sentence: &Sentence, at: usize) -> bool {
    at > 0
        && sentence.tokens.get(at).is_some_and(|token| {
            sentence.text[sentence.tokens[at - 1].end..token.start].contains([',', ';', ':', '.', '!', '?', '–', '—'])
        })
}
