//! A compose file, as far as the tests look at it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::text;

/// What `docker compose` works with.
pub const COMPOSE: &str = "docker-compose.yml";
/// What is laid over it for trying out.
pub const FIXTURES: &str = "docker/fixtures.yml";

/// The file, its anchors and merges resolved, its variables not.
pub fn parsed(name: &str) -> Value {
    serde_saphyr::from_str(&text(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Both files' services, the second laid over the first: mappings are joined, lists too, anything else is replaced.
pub fn services(overlay: Option<&str>) -> Map<String, Value> {
    let mut all = parsed(COMPOSE)["services"].clone();
    if let Some(name) = overlay {
        lay_over(&mut all, &parsed(name)["services"]);
    }
    all.as_object().unwrap().clone()
}

fn lay_over(below: &mut Value, above: &Value) {
    match (below, above) {
        (Value::Object(below), Value::Object(above)) => {
            for (key, value) in above {
                lay_over(below.entry(key).or_insert(Value::Null), value);
            }
        }
        (Value::Array(below), Value::Array(above)) => below.extend(above.iter().cloned()),
        (below, above) => *below = above.clone(),
    }
}

/// A service's environment, with the defaults of variables in their places.
pub fn environment(service: &Value) -> BTreeMap<String, String> {
    let pairs = service["environment"].as_object().into_iter().flatten();
    pairs.map(|(name, value)| (name.clone(), filled(value.as_str().expect("a text")))).collect()
}

/// A list of texts; empty where there is none.
pub fn list(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// The text with `${NAME:-default}` and `${NAME-default}` replaced by the defaults, as if nothing were set.
pub fn filled(text: &str) -> String {
    pieces(text)
        .into_iter()
        .map(|(before, variable)| before + &variable.map_or_else(String::new, |(_, default)| default))
        .collect()
}

/// The names of variables in the text.
pub fn variables(text: &str) -> BTreeSet<String> {
    pieces(text).into_iter().filter_map(|(_, variable)| Some(variable?.0)).collect()
}

/// Text before a variable, and the variable's name and default.
fn pieces(text: &str) -> Vec<(String, Option<(String, String)>)> {
    let (mut pieces, mut rest) = (Vec::new(), text);
    while let Some((before, after)) = rest.split_once("${") {
        let (inside, behind) = after.split_once('}').expect("a variable ends");
        let length =
            inside.bytes().take_while(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_');
        let (name, default) = inside.split_at(length.count());
        let default = default.trim_start_matches(':').strip_prefix('-').expect("a default").to_owned();
        pieces.push((before.to_owned(), Some((name.to_owned(), default))));
        rest = behind;
    }
    pieces.push((rest.to_owned(), None));
    pieces
}
