//! The default engine: runs, retries, time-outs and crash recovery over the run store.
