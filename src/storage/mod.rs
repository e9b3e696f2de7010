//! Objects by key: a local folder today, S3 behind the same face.
