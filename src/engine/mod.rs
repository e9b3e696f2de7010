//! The engines' one face.
pub mod embedded;
