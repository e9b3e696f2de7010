//! Cues of other languages: fewer, and only those that are hard to mistake.

use super::cues::Cues;

/// All of them.
pub(super) static OTHERS: [&Cues; 0] = [];
