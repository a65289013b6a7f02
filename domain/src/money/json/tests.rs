use super::super::MAX_CENTS;
use super::*;
use proptest::prelude::*;

fn read(amount: &str) -> Result<i64, String> {
    serde_json::from_str(&format!("{{\"amount\": {amount} }}"))
        .map(Money::cents)
        .map_err(|error| error.to_string())
}

#[test]
fn texts_and_numbers_are_read_to_the_cent() {
    for (amount, cents) in [
        (r#""12.34""#, 1234),
        (r#""12.3""#, 1230),
        (r#""12""#, 1200),
        (r#""-1.00""#, -100),
        (r#""\u0031""#, 100),
        ("12.34", 1234),
        ("15", 1500),
        ("0.07", 7),
        ("-0.07", -7),
        ("1e2", 10_000),
        ("4.35e0", 435),
        ("9999999999999.99", MAX_CENTS - 1),
    ] {
        assert_eq!(read(amount), Ok(cents), "{amount}");
    }
}

#[test]
fn digits_beyond_cents_are_refused_in_every_form() {
    for amount in [
        r#""4.350000000000000000001""#,
        "4.350000000000000000001",
        "9999999999999.9999",
        "435.0000000000000000001e-2",
    ] {
        let told = read(amount).unwrap_err();
        assert!(told.contains("at most two decimals"), "{amount}: {told}");
    }
}

#[test]
fn what_is_no_amount_is_refused() {
    for amount in [
        "null", "true", "[1]", r#"["1"]"#, "{}", r#""1e2""#, r#""NaN""#, "1e400",
    ] {
        assert!(read(amount).is_err(), "{amount}");
    }
}

#[test]
fn what_is_no_object_with_an_amount_alone_is_refused() {
    for json in [
        r#"["1"]"#,
        "[1]",
        "[]",
        "7",
        r#""1""#,
        "{}",
        r#"{"amount":"1","amount":"1"}"#,
        r#"{"amount":"1","currency":"EUR"}"#,
    ] {
        assert!(serde_json::from_str::<Money>(json).is_err(), "{json}");
    }
}

#[test]
fn what_has_been_through_a_float_is_no_source() {
    #[derive(Debug, Deserialize)]
    #[serde(tag = "type")]
    enum Buffered {
        Paid { price: Money },
    }

    let json = r#"{"type":"Paid","price":{"amount":4.350000000000000000001}}"#;
    let read = serde_json::from_str(json).map(|Buffered::Paid { price }| price);
    assert!(read.is_err(), "{read:?}");
}

proptest! {
    #[test]
    fn what_is_written_reads_back(cents in -MAX_CENTS..=MAX_CENTS) {
        let money = Money::from_cents(cents);
        let json = serde_json::to_string(&money).unwrap();
        prop_assert_eq!(serde_json::from_str::<Money>(&json).unwrap(), money);

        let value = serde_json::to_value(money).unwrap();
        prop_assert_eq!(serde_json::from_value::<Money>(value).unwrap(), money);
    }

    #[test]
    fn a_number_means_what_its_text_means(
        cents in -MAX_CENTS..=MAX_CENTS,
        beyond_cents in "(0{0,30}|[0-9]{1,30})",
    ) {
        let text = Money::from_cents(cents).to_string();
        let number = read(&format!("{text}{beyond_cents}"));

        if beyond_cents.trim_end_matches('0').is_empty() {
            prop_assert_eq!(number, read(&format!("\"{text}\"")));
        } else {
            let told = number.unwrap_err();
            prop_assert!(told.contains("at most two decimals"), "{}", told);
        }
    }
}
