//! How well an order matches a text: a small whole number of points, the same on every backend.
//!
//! A word counts by how often it stands in the order, the less the longer the order's text is: BM25
//! (k1 = 1.2, b = 0.75) without the rarity of words, in steps of one part in [`MAX_POINTS`]. The
//! points of the words of a query are added up, whether they stand alone or in a phrase; that a
//! prefix is matched adds [`PREFIX_POINTS`].
//!
//! So a score depends on the query and the document alone. Two things rest on it: a page cut by
//! score stays where it is while other orders come in, and every backend puts hits in the same
//! order. How rare a word is plays no part: all words must match, so it could only weigh the words
//! of one query against each other. And whole numbers have the same sum in whatever order they are
//! added.

use tantivy::fieldnorm::FieldNormReader;

/// How many bits hold the points of a word.
pub const POINT_BITS: u32 = 6;
/// A word has at least one point, and at most this many.
pub const MAX_POINTS: u8 = (1 << POINT_BITS) - 1;
/// What it adds that a prefix is matched.
pub const PREFIX_POINTS: u8 = 20;

/// The points of a word that stands `times` in a text with this [`length`].
#[must_use]
pub fn of_word(times: u32, length: u32) -> u8 {
    // times / (times + k1 * (1 - b + b * length / 20)), in thousandths; orders have about 20 words.
    let times = u64::from(times) * 1_000;
    let divisor = times + 300 + 45 * u64::from(length);
    let points = (u64::from(MAX_POINTS) * times + divisor / 2) / divisor;
    u8::try_from(points)
        .unwrap_or(MAX_POINTS)
        .clamp(1, MAX_POINTS)
}

/// The length of a text of `words` words, as an index keeps it: exact up to 40, then in growing
/// steps.
#[must_use]
pub fn length(words: u32) -> u32 {
    FieldNormReader::id_to_fieldnorm(FieldNormReader::fieldnorm_to_id(words))
}

/// The rank of a score in a [`SortKey`](crate::search::query::SortKey). The bits of positive
/// floating point numbers sort like the numbers.
#[must_use]
pub fn rank_of(score: f32) -> i64 {
    i64::from(score.max(0.0).to_bits())
}

/// The score at a rank.
#[must_use]
pub fn score_of(rank: i64) -> f32 {
    f32::from_bits(u32::try_from(rank).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_of_a_word_is_better_and_more_of_others_is_worse() {
        let lengths = [1, 3, 20, 100, 1_000];
        for length in lengths {
            assert!(of_word(1, length) < of_word(3, length), "{length}");
        }

        assert!(
            lengths
                .windows(2)
                .all(|pair| of_word(2, pair[0]) > of_word(2, pair[1]))
        );

        assert_eq!(
            (of_word(1, 20), of_word(u32::MAX, 1), of_word(1, u32::MAX)),
            (29, MAX_POINTS, 1)
        );
    }

    #[test]
    fn ranks_sort_like_scores_and_read_back() {
        for (score, next) in [(0.0, 1.0), (1.0, 2.0), (63.0, 64.0), (41_500.0, 41_501.0)] {
            assert!(rank_of(score) < rank_of(next));
            assert!((score_of(rank_of(score)) - score).abs() < f32::EPSILON);
        }
    }
}
