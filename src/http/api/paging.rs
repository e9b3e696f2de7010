//! Lists in pages: `{"items": […], "next": …}`, and `?cursor=` with what `next` said.

use serde_json::{Value, json};

use crate::http::Problem;

/// Items of a page unless somebody says otherwise.
const DEFAULT_LIMIT: u32 = 50;
/// The most items of a page.
const MOST: u32 = 200;

/// How many items a page has.
pub(super) fn page_size(asked: Option<u32>) -> Result<u32, Problem> {
    match asked.unwrap_or(DEFAULT_LIMIT) {
        limit @ 1..=MOST => Ok(limit),
        _ => Err(Problem::invalid(format!("limit may be 1 to {MOST}"))),
    }
}

/// A page of what was found when one more than `limit` was asked for; `cursor` says where an item stands.
pub(super) fn page<T>(
    mut found: Vec<T>,
    limit: u32,
    cursor: impl Fn(&T) -> String,
    item: impl FnMut(T) -> Result<Value, Problem>,
) -> Result<Value, Problem> {
    let limit = limit as usize;
    let next = (found.len() > limit).then(|| cursor(&found[limit - 1]));
    found.truncate(limit);
    let items = found.into_iter().map(item).collect::<Result<Vec<_>, _>>()?;
    Ok(json!({"items": items, "next": next}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_where_the_next_one_begins_and_the_last_that_there_is_none() {
        let told = |found: Vec<u32>| page(found, 2, |n| n.to_string(), |n| Ok(json!(n))).unwrap();
        assert_eq!(told(vec![5, 4, 3]), json!({"items": [5, 4], "next": "4"}));
        assert_eq!(told(vec![5, 4]), json!({"items": [5, 4], "next": null}));
        assert_eq!(told(vec![]), json!({"items": [], "next": null}));
        assert!(page_size(Some(0)).is_err() && page_size(Some(201)).is_err());
        assert_eq!(page_size(None), Ok(DEFAULT_LIMIT));
    }
}
