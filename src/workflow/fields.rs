//! Asks a type for the names of its fields without a value of it, so that a task that reads the output of a task that
//! is not its parent is refused when the program starts, not when the first meeting gets there (H2).

use serde::de::{self, DeserializeOwned, Deserializer, Visitor};

/// The fields that `T` is read from: those of a struct, through newtypes and `Option`s. `None` when it has no fixed fields
/// (a map, any JSON, or a struct with a flattened part).
pub(super) fn field_names<T: DeserializeOwned>() -> Option<&'static [&'static str]> {
    match T::deserialize(Asking) {
        Err(Answer::Fields(fields)) => Some(fields),
        _ => None,
    }
}

/// A deserializer that has nothing to give: it only listens to what it is asked for.
struct Asking;

/// What a type asked for, carried out as an error because that ends the asking.
#[derive(Debug, thiserror::Error)]
enum Answer {
    #[error("a struct's fields")]
    Fields(&'static [&'static str]),
    #[error("no struct")]
    Other,
}

impl de::Error for Answer {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        Self::Other
    }
}

impl<'de> Deserializer<'de> for Asking {
    type Error = Answer;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Answer> {
        Err(Answer::Fields(fields))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Answer> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Answer> {
        visitor.visit_some(self)
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Answer> {
        Err(Answer::Other)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::Value;

    use super::super::NoParents;
    use super::*;

    #[derive(serde::Deserialize)]
    #[expect(dead_code)]
    struct Parents {
        get_recording: u32,
        #[serde(rename = "finalize")]
        done: Option<String>,
        #[serde(default)]
        generate_title: Vec<u8>,
    }

    #[derive(serde::Deserialize)]
    #[expect(dead_code)]
    struct Wrapped(Parents);

    #[derive(serde::Deserialize)]
    #[expect(dead_code)]
    struct Flattened {
        get_recording: u32,
        #[serde(flatten)]
        rest: BTreeMap<String, Value>,
    }

    #[test]
    fn a_struct_says_its_fields_as_they_are_called_in_json() {
        let fields = ["get_recording", "finalize", "generate_title"];
        assert_eq!(field_names::<Parents>(), Some(&fields[..]));
        assert_eq!(field_names::<Wrapped>(), Some(&fields[..]));
        assert_eq!(field_names::<Option<Parents>>(), Some(&fields[..]));
        assert_eq!(field_names::<NoParents>(), Some(&[][..]));
    }

    #[test]
    fn what_has_no_fixed_fields_says_so() {
        assert_eq!(field_names::<Value>(), None);
        assert_eq!(field_names::<BTreeMap<String, u32>>(), None);
        assert_eq!(field_names::<Flattened>(), None);
        assert_eq!(field_names::<()>(), None);
        assert_eq!(field_names::<u32>(), None);
    }
}
