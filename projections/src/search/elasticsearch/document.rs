//! What the index holds of an order.
//!
//! All searchable text is in the two fields `singulars` and `words`: for each value of the order (a
//! line's name, a sku, the note, the customer's name) one text of its words, parted by a blank,
//! which the analyzer `whitespace` takes apart again. `words` holds a word as it is written where
//! that differs from its singular, and a mark otherwise, so that both fields have the same
//! positions. Elasticsearch leaves a gap of a hundred positions between the values of a field, so a
//! phrase never reaches from one into the next.
//!
//! `points` says how well each word matches the order ([`crate::search::points`]), in a form that
//! needs no script to be added up: the points are written as a binary number, and each digit that
//! is set is a term, the digit's number followed by the word. The whole document is stored beside
//! it, and hits are answered from that.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::OrderDocument;
use crate::search::analysis;
use crate::search::points::{self, POINT_BITS};
use crate::search::singular::singular;

/// Stands in `words` where the word is its own singular. No word is like it: words have letters or
/// digits.
const SAME: &str = "-";

/// An order as it is sent to be indexed.
#[derive(Debug, Serialize)]
pub(super) struct Indexed<'a> {
    id: String,
    created: i64,
    total: i64,
    state: &'static str,
    customer: String,
    singulars: Vec<String>,
    words: Vec<String>,
    points: Vec<String>,
    document: &'a OrderDocument,
}

/// What is read back of an order.
#[derive(Debug, Deserialize)]
pub(super) struct Source {
    /// Nothing in a document that is none of ours.
    #[serde(default)]
    pub(super) document: serde_json::Value,
}

impl<'a> Indexed<'a> {
    pub(super) fn new(order: &'a OrderDocument) -> Self {
        let mut texts = Texts::default();

        let lines = order
            .lines
            .iter()
            .flat_map(|line| [line.name.as_str(), line.sku.as_str()]);

        for text in lines
            .chain(order.note.as_deref())
            .chain(order.customer_name.as_deref())
        {
            texts.add(text);
        }

        Indexed {
            id: order.order_id.0.to_string(),
            created: order.creation_time.micros(),
            total: order.order_total.cents(),
            state: order.state.name(),
            customer: order.customer_id.0.to_string(),
            points: texts.points(),
            singulars: texts.singulars,
            words: texts.words,
            document: order,
        }
    }
}

#[derive(Default)]
struct Texts {
    singulars: Vec<String>,
    words: Vec<String>,
    times: HashMap<String, u32>,
    /// As the embedded index counts them: a word, and its singular when that is another word.
    count: u32,
}

impl Texts {
    fn add(&mut self, text: &str) {
        let (mut singulars, mut words) = (Vec::new(), Vec::new());

        for word in analysis::words(text) {
            let singular = singular(&word.text).into_owned();
            *self.times.entry(singular.clone()).or_default() += 1;
            let same = singular == word.text;
            self.count += if same { 1 } else { 2 };
            words.push(if same { SAME.to_owned() } else { word.text });
            singulars.push(singular);
        }

        if !singulars.is_empty() {
            self.singulars.push(singulars.join(" "));
            self.words.push(words.join(" "));
        }
    }

    fn points(&self) -> Vec<String> {
        let length = points::length(self.count);
        let points = self
            .times
            .iter()
            .map(|(word, times)| (word, points::of_word(*times, length)));
        points
            .flat_map(|(word, points)| digits_of(points).map(move |digit| digit_term(digit, word)))
            .collect()
    }
}

/// The binary digits that are set.
fn digits_of(points: u8) -> impl Iterator<Item = u32> {
    (0..POINT_BITS).filter(move |digit| points >> digit & 1 == 1)
}

/// The term that says that this digit of the word's points is set.
pub(super) fn digit_term(digit: u32, word: &str) -> String {
    format!("{digit}{word}")
}

/// What the external version of a document is made of. Whichever is put last has the largest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stamp {
    /// How often the document was put as a whole over what was there.
    pub(super) puts: u32,
    /// The order's version.
    pub(super) version: u32,
}

impl Stamp {
    /// `None` when the version is beyond what an order ever reaches.
    pub(super) fn new(puts: u32, version: u64) -> Option<Self> {
        // Elasticsearch's versions are signed.
        let puts = (puts <= u32::MAX >> 1).then_some(puts)?;
        Some(Stamp {
            puts,
            version: u32::try_from(version).ok()?,
        })
    }

    pub(super) fn read(external: u64) -> Self {
        let [a, b, c, d, e, f, g, h] = external.to_be_bytes();
        Stamp {
            puts: u32::from_be_bytes([a, b, c, d]),
            version: u32::from_be_bytes([e, f, g, h]),
        }
    }

    pub(super) fn external(self) -> u64 {
        (u64::from(self.puts) << 32) | u64::from(self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_reads_back_and_a_later_put_is_larger_whatever_the_versions_are() {
        for (puts, version) in [(0, 1), (3, 7), (u32::MAX >> 1, u64::from(u32::MAX))] {
            let stamp = Stamp::new(puts, version).unwrap();
            assert_eq!(Stamp::read(stamp.external()), stamp);
            assert!(i64::try_from(stamp.external()).is_ok());
        }
        assert!(Stamp::new(1, 2).unwrap().external() > Stamp::new(0, 900).unwrap().external());
        assert!(Stamp::new(1, u64::MAX).is_none() && Stamp::new(u32::MAX, 1).is_none());
    }

    #[test]
    fn both_fields_have_the_same_positions_and_values_without_words_none() {
        let mut texts = Texts::default();
        for text in ["Fresh BAGELS, tea", "- *", "ab-12"] {
            texts.add(text);
        }
        assert_eq!(texts.singulars, ["fresh bagel tea", "ab 12"]);
        assert_eq!(texts.words, ["- bagels -", "- -"]);
        assert_eq!(texts.count, 6);
    }

    #[test]
    fn the_digits_of_all_points_add_up_to_them() {
        for points in 1..=points::MAX_POINTS {
            assert_eq!(
                digits_of(points).map(|digit| 1 << digit).sum::<u8>(),
                points
            );
        }
    }
}
