//! What of an order's text a query has matched.
//!
//! Highlights are made from the document by the same analysis as the search itself, so that every
//! backend shows the same. A value is shown whole and only when it holds a match. The result is
//! HTML: the text's own `&`, `<`, `>`, `"` and `'` are escaped, a match stands between `<em>` and
//! `</em>`, a phrase or split word as one.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::OrderDocument;
use crate::search::analysis::{Word, words};
use crate::search::singular::singular;
use crate::search::text::Term;

/// At most this many line names and skus of one order are shown, so that an order of hundreds of
/// lines does not fill the page.
pub const MAX_LINES_SHOWN: usize = 20;

/// The values of one order in which something matches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Highlights {
    /// Line names and skus, in the order of the lines, each text once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<String>,
    /// Of the note.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub note: Vec<String>,
    /// Of the customer's name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub customer_name: Vec<String>,
}

/// Highlights `terms` in `document`.
#[must_use]
pub fn highlight(terms: &[Term], document: &OrderDocument) -> Highlights {
    let mark = |text: &str| mark(terms, text);

    let note = document
        .note
        .as_deref()
        .and_then(mark)
        .into_iter()
        .collect();

    let customer_name = document
        .customer_name
        .as_deref()
        .and_then(mark)
        .into_iter()
        .collect();

    let mut lines: Vec<String> = Vec::new();
    for text in document
        .lines
        .iter()
        .flat_map(|line| [&line.name, &line.sku])
    {
        if lines.len() == MAX_LINES_SHOWN {
            break;
        }
        if let Some(marked) = mark(text)
            && !lines.contains(&marked)
        {
            lines.push(marked);
        }
    }

    Highlights {
        lines,
        note,
        customer_name,
    }
}

/// `text` as HTML with its matches marked; `None` when there are none.
fn mark(terms: &[Term], text: &str) -> Option<String> {
    let words = words(text);
    let mut matches: Vec<Range<usize>> = Vec::new();

    for at in 0..words.len() {
        let rest = words.get(at..).unwrap_or_default();
        matches.extend(terms.iter().filter_map(|term| match_at(term, rest)));
    }

    if matches.is_empty() {
        return None;
    }

    matches.sort_by_key(|range| (range.start, range.end));
    let mut html = String::with_capacity(text.len() + 16);
    let mut shown = 0;

    let mut matches = matches.into_iter().peekable();
    while let Some(mut range) = matches.next() {
        while let Some(overlapping) = matches.next_if(|next| next.start < range.end) {
            range.end = range.end.max(overlapping.end);
        }
        escape(text.get(shown..range.start).unwrap_or_default(), &mut html);
        html.push_str("<em>");
        escape(text.get(range.clone()).unwrap_or_default(), &mut html);
        html.push_str("</em>");
        shown = range.end;
    }

    escape(text.get(shown..).unwrap_or_default(), &mut html);

    Some(html)
}

/// The byte range of `term` when it stands at the beginning of `words`.
fn match_at(term: &Term, words: &[Word]) -> Option<Range<usize>> {
    let candidates = words.get(..term.singulars.len())?;
    let (last, head) = candidates.split_last()?;
    let (last_singular, head_singulars) = term.singulars.split_last()?;

    let head_matches = head
        .iter()
        .zip(head_singulars)
        .all(|(word, wanted)| singular(&word.text) == *wanted);

    let begins = |prefix: &String| {
        last.text.starts_with(prefix.as_str()) || singular(&last.text).starts_with(prefix.as_str())
    };
    let last_matches =
        singular(&last.text) == *last_singular || term.prefix.as_ref().is_some_and(begins);
    (head_matches && last_matches).then(|| {
        let start = candidates
            .first()
            .map_or(last.range.start, |first| first.range.start);
        start..last.range.end
    })
}

fn escape(text: &str, html: &mut String) {
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            other => html.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::text;
    use proptest::prelude::*;

    fn marked(query: &str, text: &str) -> Option<String> {
        mark(&text::parse(query).unwrap(), text)
    }

    #[test]
    fn words_phrases_and_prefixes_are_marked() {
        for (query, text, expected) in [
            (
                "bagel",
                "Fresh BAGELS, 6 bagels",
                "Fresh <em>BAGELS</em>, 6 <em>bagels</em>",
            ),
            (
                "\"fresh bagels\"",
                "bagel of fresh bagel",
                "bagel of <em>fresh bagel</em>",
            ),
            ("ab-12", "AB-12", "<em>AB-12</em>"),
            ("ab-1*", "ab-123 ab 2", "<em>ab-123</em> ab 2"),
            ("berry*", "Berries", "<em>Berries</em>"),
            ("bagels*", "bagel", "<em>bagel</em>"),
            ("\"a b\" \"b c\"", "a b c", "<em>a b c</em>"),
            ("creme", "Crème <b>", "<em>Crème</em> &lt;b&gt;"),
        ] {
            assert_eq!(
                marked(query, text).as_deref(),
                Some(expected),
                "{query} in {text}"
            );
        }
        assert_eq!(marked("tea", "coffee"), None);
    }

    proptest! {
        #[test]
        fn without_its_marks_it_is_the_escaped_text(query in "[a-c\"* ]{0,12}", text in "[a-c<&é -]{0,40}") {
            if let Some(html) = marked(&query, &text) {
                let mut expected = String::new();
                escape(&text, &mut expected);
                prop_assert_eq!(html.replace("<em>", "").replace("</em>", ""), expected);
            }
        }
    }
}
