//! Reads an amount from the text of a JSON number, digit by digit.
//!
//! A float would round what it cannot hold: `4.350000000000000000001` to 4.35, and
//! `9999999999999.9999` to ten trillion. Here a number is its exact value in whatever form it is
//! written, also with an exponent; zeros behind its last digit say nothing.

use super::{MAX_CENTS, Money, MoneyError};

/// The largest amount has this many digits before the point.
const MOST_WHOLE_DIGITS: i64 = 14;

impl Money {
    /// The amount that a JSON number such as `12.3`, `1234e-2` or `-7` is.
    ///
    /// # Errors
    /// A text that is no JSON number, a fraction of a cent, or more than [`MAX_CENTS`].
    pub fn from_number(text: &str) -> Result<Self, MoneyError> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };

        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, read_exponent(exponent)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
        if !is_digits(whole) || !is_digits(fraction) {
            return Err(MoneyError::NotADecimal);
        }

        let cents = cents_of(whole, fraction, exponent)?;
        Ok(Money::from_cents(if negative { -cents } else { cents }))
    }
}

fn cents_of(whole: &str, fraction: &str, exponent: i64) -> Result<i64, MoneyError> {
    let all = format!("{whole}{fraction}");
    let significant = all.trim_start_matches('0');
    if significant.is_empty() {
        return Ok(0);
    }

    // How many digits stand before the point when the leading zeros are gone; 0.07 has -1.
    let leading_zeros = length(&all) - length(significant);
    let before_point = length(whole)
        .saturating_sub(leading_zeros)
        .saturating_add(exponent);

    let digits = significant.trim_end_matches('0');
    let decimals = length(digits).saturating_sub(before_point);
    if decimals > 2 {
        return Err(MoneyError::TooManyDecimals);
    }
    if before_point > MOST_WHOLE_DIGITS {
        return Err(MoneyError::TooLarge);
    }

    let zeros = usize::try_from(2 - decimals).unwrap_or_default();
    let cents: i64 = format!("{digits}{}", "0".repeat(zeros))
        .parse()
        .map_err(|_| MoneyError::TooLarge)?;
    if cents <= MAX_CENTS {
        Ok(cents)
    } else {
        Err(MoneyError::TooLarge)
    }
}

/// An exponent of more digits than an `i64` holds is as good as the largest.
fn read_exponent(text: &str) -> Result<i64, MoneyError> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };

    if !is_digits(digits) {
        return Err(MoneyError::NotADecimal);
    }
    let exponent = digits.parse().unwrap_or(i64::MAX);
    Ok(if negative { -exponent } else { exponent })
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn length(text: &str) -> i64 {
    i64::try_from(text.len()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_number_is_its_value_in_whatever_form_it_is_written() {
        for (text, cents) in [
            ("0", 0),
            ("-0.00", 0),
            ("0e999999999999999999999", 0),
            ("0.07", 7),
            ("12.3", 1230),
            ("12.3400", 1234),
            ("-1.5", -150),
            ("1e2", 10_000),
            ("1E+2", 10_000),
            ("7e-2", 7),
            ("1234000e-5", 1234),
            ("0.000000001234e10", 1234),
            ("9999999999999.99", MAX_CENTS - 1),
            ("1e13", MAX_CENTS),
        ] {
            assert_eq!(
                Money::from_number(text),
                Ok(Money::from_cents(cents)),
                "{text}"
            );
        }
    }

    #[test]
    fn digits_beyond_cents_and_amounts_beyond_the_bound_are_refused() {
        for (text, error) in [
            ("4.350000000000000000001", MoneyError::TooManyDecimals),
            ("9999999999999.9999", MoneyError::TooManyDecimals),
            ("1e-3", MoneyError::TooManyDecimals),
            ("1e-999999999999999999999", MoneyError::TooManyDecimals),
            ("12345e-3", MoneyError::TooManyDecimals),
            ("10000000000000.01", MoneyError::TooLarge),
            ("1e14", MoneyError::TooLarge),
            ("1e400", MoneyError::TooLarge),
            ("1e999999999999999999999", MoneyError::TooLarge),
            ("99999999999999999999", MoneyError::TooLarge),
            ("", MoneyError::NotADecimal),
            ("1.", MoneyError::NotADecimal),
            ("1e", MoneyError::NotADecimal),
            ("+1", MoneyError::NotADecimal),
            ("true", MoneyError::NotADecimal),
        ] {
            assert_eq!(Money::from_number(text), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_as_a_number_reads_back(
            cents in -MAX_CENTS..=MAX_CENTS,
            shift in 0usize..20,
        ) {
            let money = Money::from_cents(cents);
            prop_assert_eq!(Money::from_number(&money.to_string()), Ok(money));

            let shifted = format!("{cents}{}e-{}", "0".repeat(shift), shift + 2);
            prop_assert_eq!(Money::from_number(&shifted), Ok(money));
        }
    }
}
