//! What may travel between tasks: JSON objects, small, and byte for byte the same whenever they say the same.
//!
//! Engines store and send every payload many times; words, audio and track lists go to storage or store instead, and
//! payloads carry keys, counts and checksums.

use std::io;

use serde_json::{Map, Number, Value};

use super::{Child, TaskError};

/// Most bytes of a task's input, output or plan, as compact JSON.
pub const MAX_PAYLOAD_BYTES: usize = 65_536;
/// Most bytes of an outer run's input: triggers of the replaced system send whole track lists.
pub const MAX_OUTER_INPUT_BYTES: usize = 1 << 20;

/// Counts bytes without keeping them.
#[derive(Default)]
struct Counter(usize);

impl io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The length of `value` as compact JSON, in bytes.
pub fn payload_bytes(value: &impl serde::Serialize) -> usize {
    let mut counter = Counter::default();
    // Counting can't fail to write, and a `Value` always serialises.
    let _ = serde_json::to_writer(&mut counter, value);
    counter.0
}

/// The same value with keys sorted and fractions rounded to 0.001, whole ones without a point, so that equal results are
/// equal bytes on every engine: some write anew what they hand on, and `1.0` has become `1` then.
pub fn canonical(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<(String, Value)> = fields.into_iter().collect();
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(fields.into_iter().map(|(name, value)| (name, canonical(value))).collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(canonical).collect()),
        Value::Number(number) if number.is_f64() => Value::Number(rounded(&number).unwrap_or(number)),
        other => other,
    }
}

fn rounded(number: &Number) -> Option<Number> {
    let scaled = number.as_f64()? * 1000.0;
    // Above that, thousandths are so near to what a number can say at all that rounding twice would not be rounding once.
    if scaled.abs() > 1e15 {
        return None;
    }
    let rounded = scaled.round() / 1000.0;
    // No whole number of so few digits is out of an i64's range.
    if rounded.fract() == 0.0 { Some(Number::from(rounded as i64)) } else { Number::from_f64(rounded) }
}

fn too_large(task: &str, what: &str, bytes: usize, most: usize) -> TaskError {
    TaskError::permanent(format!(
        "{what} of task {task} has {bytes} bytes, more than the {most} allowed: keep the data in storage or store and \
         pass its key"
    ))
}

/// Checks a task's input. An outer run's may be larger than a child's.
pub(super) fn check_input(task: &str, input: &Value, outer: bool) -> Result<(), TaskError> {
    let most = if outer { MAX_OUTER_INPUT_BYTES } else { MAX_PAYLOAD_BYTES };
    let bytes = payload_bytes(input);
    if bytes > most { Err(too_large(task, "the input", bytes, most)) } else { Ok(()) }
}

/// Checks a task's output and puts it into its canonical form.
pub(super) fn accept_output(task: &str, output: Value) -> Result<Value, TaskError> {
    let Value::Object(fields) = &output else {
        return Err(TaskError::permanent(format!("the output of task {task} is no JSON object: return a struct")));
    };
    if fields.contains_key("skipped") {
        return Err(TaskError::permanent(format!(
            "the output of task {task} has a field \"skipped\", by which engines mark tasks they left out: rename it"
        )));
    }
    let output = canonical(output);
    match payload_bytes(&output) {
        bytes if bytes > MAX_PAYLOAD_BYTES => Err(too_large(task, "the output", bytes, MAX_PAYLOAD_BYTES)),
        _ => Ok(output),
    }
}

/// Checks a fan-out's plan as a whole (it is stored like an output) and puts its inputs into their canonical form.
pub(super) fn accept_plan(task: &str, plan: Vec<Child<Value>>) -> Result<Vec<Child<Value>>, TaskError> {
    let mut keys = std::collections::BTreeSet::new();
    for child in &plan {
        // Engines append `#2` to the key when they start a child anew.
        if child.key.is_empty() || child.key.len() > 100 || child.key.contains(['#', '/', '[', ']']) {
            return Err(TaskError::permanent(format!(
                "task {task} planned a child with the key {:?}: use 1 to 100 bytes without # / [ ]",
                child.key
            )));
        }
        if !keys.insert(&child.key) {
            return Err(TaskError::permanent(format!("task {task} planned two children with the key {:?}", child.key)));
        }
        if !child.input.is_object() {
            return Err(TaskError::permanent(format!(
                "task {task} planned child {:?} with an input that is no JSON object",
                child.key
            )));
        }
    }
    let plan: Vec<_> = plan.into_iter().map(|child| Child { key: child.key, input: canonical(child.input) }).collect();
    match payload_bytes(&plan) {
        bytes if bytes > MAX_PAYLOAD_BYTES => Err(too_large(task, "the plan", bytes, MAX_PAYLOAD_BYTES)),
        _ => Ok(plan),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn equal_results_are_equal_bytes() {
        let value = json!({"b": [1.00049, -0.0001, 3], "a": {"z": 0.1 + 0.2, "y": 1e300, "x": null}});
        assert_eq!(canonical(value).to_string(), r#"{"a":{"x":null,"y":1e+300,"z":0.3},"b":[1,0,3]}"#);
    }

    #[test]
    fn the_limit_is_64_kib_of_compact_json_to_the_byte() {
        let of = |bytes: usize| json!({"a": "x".repeat(bytes - 8)});
        assert_eq!(payload_bytes(&of(MAX_PAYLOAD_BYTES)), MAX_PAYLOAD_BYTES);
        assert!(accept_output("t", of(MAX_PAYLOAD_BYTES)).is_ok());
        let error = accept_output("merge", of(MAX_PAYLOAD_BYTES + 1)).unwrap_err();
        assert_eq!(error.class, crate::failure::FailureClass::Permanent);
        assert!(error.message.contains("merge") && error.message.contains("65537 bytes"), "{error}");
        assert!(check_input("t", &of(MAX_PAYLOAD_BYTES + 1), false).is_err());
        assert!(check_input("t", &of(MAX_OUTER_INPUT_BYTES), true).is_ok());
        assert!(check_input("t", &of(MAX_OUTER_INPUT_BYTES + 1), true).is_err());
    }

    #[test]
    fn outputs_that_an_engine_would_misread_are_refused() {
        for output in [json!([1]), json!("text"), json!(null), json!({"skipped": false})] {
            assert!(accept_output("t", output).is_err());
        }
        assert!(accept_output("t", json!({"state": "not_configured", "inner": {"skipped": 1}})).is_ok());
    }

    #[test]
    fn a_plan_counts_as_one_payload_and_its_keys_are_distinct() {
        let child = |key: String| Child { key, input: json!({"transcript_id": "x".repeat(36), "track": "t000"}) };
        let five_hundred: Vec<_> = (0..500).map(|n| child(format!("t{n:03}"))).collect();
        assert!(accept_plan("fan", five_hundred).is_ok());
        let too_many: Vec<_> = (0..700).map(|n| child(format!("t{n:03}"))).collect();
        assert!(accept_plan("fan", too_many).unwrap_err().message.contains("the plan of task fan has"));
        for key in ["", "a#2", "a/b"] {
            assert!(accept_plan("fan", vec![child(key.to_owned())]).is_err(), "{key}");
        }
        assert!(accept_plan("fan", vec![child("a".to_owned()), child("a".to_owned())]).is_err());
        assert!(accept_plan("fan", vec![Child { key: "a".to_owned(), input: json!(1) }]).is_err());
        assert!(accept_plan("fan", Vec::new()).is_ok());
    }

    #[test]
    fn large_fractions_are_left_as_they_are() {
        assert_eq!(
            canonical(json!([4_490_618_087_011.365_f64, 1e11 + 0.0004])).to_string(),
            "[4490618087011.365,100000000000]"
        );
    }

    proptest! {
        #[test]
        fn making_it_canonical_twice_changes_nothing_more(numbers in prop::collection::vec(any::<f64>(), 0..8)) {
            let once = canonical(json!({"numbers": numbers}));
            prop_assert_eq!(canonical(once.clone()).to_string(), once.to_string());
        }
    }
}
