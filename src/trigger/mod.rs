//! Starts runs.
