//! Topics, title, summary and action items out of a transcript.
