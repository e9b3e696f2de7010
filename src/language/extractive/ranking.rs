//! Which sentences say the most: TextRank, and no two that say the same.
//!
//! TextRank (Mihalcea and Tarau, 2004): sentences recommend each other by the words they share, over log lengths; the
//! weighted PageRank of that graph is the score. What can't be a summary (greetings, talk about the call) is
//! left out of the graph. Sentences are then picked by maximal marginal relevance (Carbonell and Goldstein, 1998).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::phrases::Phrase;
use super::reading::{Reading, Sentence, TermId};

/// PageRank's damping.
const DAMPING: f64 = 0.85;
/// Enough for three decimals on graphs of this size; a fixed number keeps results equal to the bit.
const ROUNDS: usize = 30;
/// How much relevance counts against novelty.
const RELEVANCE: f64 = 0.7;
/// Sentences with fewer different subjects are not ranked.
const FEWEST_TERMS: usize = 1;

/// Sentences of one range with their scores, 0..=1.
pub(super) struct Ranking {
    scored: Vec<(usize, f64, BTreeSet<TermId>)>,
}

impl Ranking {
    /// Ranks the sentences of `range`; `phrases`, best first, are what it is about.
    pub fn of(reading: &Reading<'_>, range: Range<usize>, phrases: &[Phrase]) -> Self {
        let nodes: Vec<(usize, BTreeSet<TermId>)> = range
            .filter(|at| !is_small_talk(reading, &reading.sentences[*at]))
            .map(|at| (at, reading.sentences[at].terms.iter().flatten().copied().collect::<BTreeSet<_>>()))
            .filter(|(_, terms)| terms.len() >= FEWEST_TERMS)
            .collect();
        let ranks = text_rank(&nodes);
        let subjects: BTreeSet<TermId> = phrases.iter().take(8).flat_map(|phrase| phrase.key.iter().copied()).collect();
        let mut scored: Vec<(usize, f64, BTreeSet<TermId>)> = (nodes.into_iter().zip(ranks))
            .map(|((at, terms), rank)| {
                let on_subject = terms.intersection(&subjects).count().min(4) as f64;
                let score = rank * (1.0 + 0.25 * on_subject) * readable(reading, &reading.sentences[at]);
                (at, score, terms)
            })
            .collect();
        let most = scored.iter().map(|(_, score, _)| *score).fold(f64::MIN_POSITIVE, f64::max);
        for (_, score, _) in &mut scored {
            *score /= most;
        }
        Self { scored }
    }

    /// Up to `count` sentences that say much and not the same, best first.
    pub fn best(&self, count: usize) -> Vec<(usize, f64)> {
        let mut left: Vec<&(usize, f64, BTreeSet<TermId>)> = self.scored.iter().collect();
        let mut picked: Vec<&(usize, f64, BTreeSet<TermId>)> = Vec::new();
        while picked.len() < count {
            let worth = |candidate: &(usize, f64, BTreeSet<TermId>)| {
                let same = picked.iter().map(|other| likeness(&candidate.2, &other.2)).fold(0.0, f64::max);
                if same > 0.6 { f64::NEG_INFINITY } else { RELEVANCE * candidate.1 - (1.0 - RELEVANCE) * same }
            };
            let best = (left.iter().enumerate())
                .map(|(at, candidate)| (at, worth(candidate)))
                .filter(|(_, worth)| worth.is_finite())
                .max_by(|(at, a), (bt, b)| a.total_cmp(b).then(bt.cmp(at)));
            match best {
                Some((at, _)) => picked.push(left.remove(at)),
                None => break,
            }
        }
        picked.into_iter().map(|(at, score, _)| (*at, *score)).collect()
    }
}

/// The sentence to fall back on when none could be ranked: the longest.
pub(super) fn longest(reading: &Reading<'_>, range: Range<usize>) -> Option<usize> {
    range.max_by_key(|at| {
        let sentence = &reading.sentences[*at];
        (!is_small_talk(reading, sentence), sentence.words.min(40), std::cmp::Reverse(*at))
    })
}

/// Greetings, thanks, and talk about the call itself.
pub(super) fn is_small_talk(reading: &Reading<'_>, sentence: &Sentence) -> bool {
    let plain = sentence.plain();
    sentence.words <= 14 && reading.lexicon.words.small_talk.iter().any(|cue| plain.contains(&format!(" {cue} ")))
}

/// How well the sentence reads alone.
fn readable(reading: &Reading<'_>, sentence: &Sentence) -> f64 {
    let words = reading.lexicon.words;
    let first = sentence
        .tokens
        .iter()
        .map(|token| token.word.as_str())
        .find(|word| !words.openers.contains(word))
        .unwrap_or_default();
    let mut worth = 1.0;
    if sentence.is_question() {
        worth *= 0.2;
    }
    if words.leaning.contains(&first) {
        worth *= 0.6;
    }
    worth
        * match sentence.words {
            0..=4 => 0.3,
            5..=7 => 0.8,
            8..=30 => 1.0,
            31..=45 => 0.7,
            _ => 0.4,
        }
}

fn likeness(a: &BTreeSet<TermId>, b: &BTreeSet<TermId>) -> f64 {
    let both = a.intersection(b).count() as f64;
    both / f64::sqrt((a.len() * b.len()).max(1) as f64)
}

fn text_rank(nodes: &[(usize, BTreeSet<TermId>)]) -> Vec<f64> {
    let mut holders: BTreeMap<TermId, Vec<usize>> = BTreeMap::new();
    let mut edges: Vec<Vec<(usize, f64)>> = vec![Vec::new(); nodes.len()];
    let mut shared = vec![0_usize; nodes.len()];
    for (this, (_, terms)) in nodes.iter().enumerate() {
        let mut others = Vec::new();
        for term in terms {
            let list = holders.entry(*term).or_default();
            for &other in list.iter() {
                if shared[other] == 0 {
                    others.push(other);
                }
                shared[other] += 1;
            }
            list.push(this);
        }
        others.sort_unstable();
        for other in others {
            let lengths = (1.0 + terms.len() as f64).ln() + (1.0 + nodes[other].1.len() as f64).ln();
            let weight = shared[other] as f64 / lengths;
            edges[this].push((other, weight));
            edges[other].push((this, weight));
            shared[other] = 0;
        }
    }
    let given: Vec<f64> = edges.iter().map(|list| list.iter().map(|(_, weight)| weight).sum()).collect();
    let mut ranks = vec![1.0_f64; nodes.len()];
    for _ in 0..ROUNDS {
        ranks = (edges.iter())
            .map(|list| {
                let received: f64 = list.iter().map(|&(other, weight)| weight / given[other] * ranks[other]).sum();
                1.0 - DAMPING + DAMPING * received
            })
            .collect();
    }
    ranks
}
