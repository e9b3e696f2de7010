//! People's answers to whether their voice may be kept, and what a no means: the recording's own files and everything
//! derived from audio go, text stays. One code for the pipeline's `cleanup_consent` and for a no that comes after the run.

mod answers;
mod audio;

pub use answers::{About, Consent, DELETE_AUDIO, Outcome};
pub use audio::{AudioDeletion, ConsentError, Deleted};
