use super::*;

fn error(line: &str) -> String {
    parse(line.as_bytes()).unwrap_err()
}

#[test]
fn the_four_types_are_read() {
    let customer = concat!(
        r#"{"type":"customer","ref":"c1","name":"Ada Park","#,
        r#""creditLimit":{"amount":"500.00"}}"#
    );
    let customer = parse(customer.as_bytes()).unwrap();
    assert_eq!(
        customer,
        Entry::Customer {
            reference: "c1".into(),
            name: "Ada Park".into(),
            credit_limit: Money::from_cents(50_000)
        }
    );

    let order = concat!(
        r#"{"type":"order","ref":"o1","customer":"c1","lines":[{"sku":"9","#,
        r#""name":"YOGURT","quantity":2,"unitPrice":{"amount":"1.25"}}]}"#
    );
    let Entry::Order { lines, note, .. } = parse(order.as_bytes()).unwrap() else {
        panic!("not an order")
    };

    assert_eq!(
        (lines[0].quantity, lines[0].unit_price, note),
        (2, Money::from_cents(125), None)
    );

    assert_eq!(
        parse(br#"{"type":"cancel","order":"o1"}"#).unwrap(),
        Entry::Cancel { order: "o1".into() }
    );

    assert_eq!(
        parse(br#"{"type":"ship","order":"o1"}"#).unwrap(),
        Entry::Ship { order: "o1".into() }
    );
}

#[test]
fn numbers_are_read_as_the_node_reads_them() {
    for (amount, cents) in [
        (r#""4.35""#, 435),
        ("4.35", 435),
        ("4.35e0", 435),
        ("1e2", 10_000),
        ("9999999999999.99", 999_999_999_999_999),
    ] {
        let line = format!(
            "{{\"type\":\"order\",\"ref\":\"o1\",\"customer\":\"c1\",\"lines\":[{{\"sku\":\"9\",\
             \"name\":\"Y\",\"quantity\":2.0,\"unitPrice\":{{\"amount\":{amount}}}}}]}}"
        );
        let Ok(Entry::Order { lines, .. }) = parse(line.as_bytes()) else {
            panic!("no order: {line}")
        };
        assert_eq!(lines[0].unit_price, Money::from_cents(cents), "{amount}");
        assert_eq!(lines[0].quantity, 2);
    }
}

#[test]
fn an_unknown_type_or_field_is_named() {
    assert!(error(r#"{"type":"refund","order":"o1"}"#).contains("unknown variant `refund`"));
    assert!(error(r#"{"type":"ship","order":"o1","when":"now"}"#).contains("unknown field `when`"));
    let order = concat!(
        r#"{"type":"order","ref":"o1","customer":"c1","lines":[{"sku":"9","#,
        r#""name":"Y","quantity":2,"unitPrice":{"amount":"1"},"colour":1}]}"#
    );
    assert!(error(order).contains("unknown field `colour`"));
    assert!(error(r#"{"order":"o1"}"#).contains("missing field `type`"));
    assert!(
        error(r#"{"type":"ship","order":"o1","type":"ship"}"#).contains("duplicate field `type`")
    );
}

#[test]
fn bad_money_numbers_and_references_are_refused() {
    let customer = |reference: &str, amount: &str| {
        error(&format!(
            "{{\"type\":\"customer\",\"ref\":\"{reference}\",\"name\":\"A\",\
             \"creditLimit\":{{\"amount\":{amount}}}}}"
        ))
    };

    assert!(customer("c1", r#""5.001""#).contains("creditLimit must have at most two decimals"));

    for amount in ["4.350000000000000000001", "9999999999999.9999", "435.01e-2"] {
        assert!(
            customer("c1", amount).contains("creditLimit must have at most two decimals"),
            "{amount}"
        );
    }

    assert!(customer("c1", r#""-5""#).contains("creditLimit must be 0 or more, got -5.00"));

    assert!(customer("c 1", r#""5""#).contains("ref must be 1 to 255 visible ASCII characters"));

    assert!(customer("", r#""5""#).contains("ref must be"));
    let order = concat!(
        r#"{"type":"order","ref":"o1","customer":"c1","lines":[{"sku":"9","#,
        r#""name":"Y","quantity":-2,"unitPrice":{"amount":"1"}}]}"#
    );
    assert!(error(order).contains("quantity must be a whole number from 1 to"));
    assert!(error(order).contains("got -2"));
    assert!(!error("not json").is_empty());
}
