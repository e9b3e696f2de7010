//! What Daily.co sends and writes: REST bodies, file names, recorded folders.
