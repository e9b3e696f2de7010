//! Configuration from the environment, typed.
