//! Binds a cursor to the query that it continues.
//!
//! A list's own cursor names a place in its order, and fits any filter: with another text it would
//! lead to an empty page beside a total, or leave out half of what matches. So what callers get has
//! a seal on it, a digest of the path and the filters, and a cursor whose seal is of another query
//! is refused. It guards against mistakes, not against forgers: who makes up a seal gets the page
//! that was made up.

use sagas::Fingerprint;

/// Of the digest's 16 bytes, this many hexadecimal digits end a cursor.
const SEAL_DIGITS: usize = 12;

/// The seal of a query's cursors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal(String);

impl Seal {
    /// Of a path, and of the parameters that say what belongs to the list.
    pub fn of<'p>(path: &str, filters: impl Iterator<Item = (&'p str, &'p str)>) -> Self {
        let mut filters: Vec<_> = filters.collect();
        filters.sort_unstable();

        let Fingerprint(digest) =
            Fingerprint::of(format!("{} {filters:?}", path.to_ascii_lowercase()).as_bytes());
        let mut digits = digest.simple().to_string();
        digits.truncate(SEAL_DIGITS);
        Seal(digits)
    }

    /// The cursor that callers get.
    pub fn put_on(&self, cursor: Option<String>) -> Option<String> {
        cursor.map(|cursor| cursor + &self.0)
    }

    /// The list's own cursor; `None` when another query has given it out.
    pub fn take_off<'c>(&self, sealed: &'c str) -> Option<&'c str> {
        sealed
            .strip_suffix(self.0.as_str())
            .filter(|cursor| !cursor.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(path: &str, filters: &[(&str, &str)]) -> Seal {
        Seal::of(path, filters.iter().copied())
    }

    #[test]
    fn a_cursor_fits_its_own_query_whatever_the_order_of_the_parameters() {
        let ours = seal("/orders", &[("text", "tea"), ("state", "PENDING")]);
        let cursor = ours.put_on(Some("abc".to_owned())).unwrap();
        let again = seal("/orders", &[("state", "PENDING"), ("text", "tea")]);
        assert_eq!(again.take_off(&cursor), Some("abc"));
        assert_eq!(ours.put_on(None), None);
    }

    #[test]
    fn a_cursor_of_another_query_is_told_apart() {
        let ours = seal("/orders", &[("text", "tea")]);
        for other in [
            seal("/orders", &[]),
            seal("/orders", &[("text", "teas")]),
            seal("/orders", &[("text", "tea"), ("state", "PENDING")]),
            seal("/customers", &[("text", "tea")]),
        ] {
            let cursor = other.put_on(Some("abc".to_owned())).unwrap();
            assert_eq!(ours.take_off(&cursor), None, "{cursor}");
        }

        for made_up in ["", "abc", &ours.0] {
            assert_eq!(ours.take_off(made_up), None, "{made_up}");
        }
    }

    /// If this fails, cursors that callers hold are refused after an upgrade.
    #[test]
    fn the_seal_of_a_query_never_changes() {
        let seal = seal("/orders", &[("text", "tea"), ("state", "PENDING")]);
        assert_eq!(
            seal.put_on(Some("abc".to_owned())).unwrap(),
            "abc269390cb125b"
        );
    }
}
