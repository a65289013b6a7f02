//! Follows the cursors of a list, page by page, so that a long list is never in memory as a whole.

use serde_json::Value;

use super::ClientError;
use super::args::ListArgs;
use super::http::{Freshness, Node};
use super::output::Reader;

/// The largest page a node gives.
const PAGE: u32 = 200;

/// Whether there was more than what was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    None,
    More,
}

/// Calls `show` with each page until the wanted number is reached, the list ends, or the reader of
/// the output has gone.
pub async fn each(
    node: &Node,
    path: &[&str],
    filters: &[(&str, &str)],
    list: &ListArgs,
    mut show: impl FnMut(&Value) -> Result<Reader, ClientError>,
) -> Result<Rest, ClientError> {
    let mut wanted = if list.all { u32::MAX } else { list.limit };
    let mut cursor: Option<String> = None;

    loop {
        let limit = wanted.min(PAGE).to_string();
        let mut query = filters.to_vec();
        query.push(("limit", &limit));
        if let Some(cursor) = &cursor {
            query.push(("cursor", cursor));
        }
        let page = node.get(path, &query, &Freshness::AsItIs).await?.body;
        if show(&page)? == Reader::Gone {
            return Ok(Rest::None);
        }
        wanted = wanted.saturating_sub(u32::try_from(rows(&page).len()).unwrap_or(u32::MAX));
        cursor = next(&page);
        match (&cursor, wanted) {
            (None, _) => return Ok(Rest::None),
            (Some(_), 0) => return Ok(Rest::More),
            (Some(_), _) => {}
        }
    }
}

/// The cursor of the page after this one.
pub fn next(page: &Value) -> Option<String> {
    page.get("next").and_then(Value::as_str).map(str::to_owned)
}

/// The entries of a page: its one array, whatever the list is called.
pub fn rows(page: &Value) -> &[Value] {
    let array = page
        .as_array()
        .or_else(|| page.as_object()?.values().find_map(Value::as_array));
    array.map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_entries_of_a_page_are_found_under_any_name() {
        assert_eq!(rows(&json!({"next": "c", "sagas": [1, 2]})).len(), 2);
        assert_eq!(rows(&json!([1])).len(), 1);
        assert!(rows(&json!({"next": "c"})).is_empty());
    }
}
