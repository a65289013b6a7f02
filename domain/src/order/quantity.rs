//! Reads how many pieces a line is for, from the text of a JSON number.
//!
//! A whole number may be written with zeros behind the point: some languages have no integers, and
//! write `2.0`.

/// Not a number of pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a whole number from 1 to {}", u32::MAX)]
pub struct QuantityError;

/// The number of pieces that a JSON number such as `2` or `2.0` is.
///
/// # Errors
/// A text that is no such number, or none of 1 to [`u32::MAX`].
pub fn from_number(text: &str) -> Result<u32, QuantityError> {
    let whole = match text.split_once('.') {
        Some((whole, fraction)) if fraction.bytes().all(|byte| byte == b'0') => whole,
        _ => text,
    };

    let pieces: u32 = whole.parse().map_err(|_| QuantityError)?;
    if pieces > 0 {
        Ok(pieces)
    } else {
        Err(QuantityError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_read_and_no_others() {
        for (text, pieces) in [
            ("1", 1),
            ("2.0", 2),
            ("2.000000000000000000000", 2),
            ("4294967295", u32::MAX),
        ] {
            assert_eq!(from_number(text), Ok(pieces), "{text}");
        }

        for text in [
            "0",
            "0.0",
            "-2",
            "2.5",
            "2.000000000000000000001",
            "4294967296",
            "4294967296.0",
            "\"2\"",
            "true",
        ] {
            assert_eq!(from_number(text), Err(QuantityError), "{text}");
        }
    }
}
