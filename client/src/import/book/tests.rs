use super::*;

fn customer(reference: &str) -> Entry {
    Entry::Customer {
        reference: reference.into(),
        name: "A".into(),
        credit_limit: domain::Money::from_cents(1),
    }
}

fn order(reference: &str, customer: &str) -> Entry {
    Entry::Order {
        reference: reference.into(),
        customer: customer.into(),
        lines: Vec::new(),
        note: None,
    }
}

#[test]
fn a_line_is_queued_with_the_customer_it_concerns() {
    let mut book = Book::default();
    assert_eq!(
        book.admit(&customer("a")),
        Ok(Admitted::To(CustomerIndex(0)))
    );
    assert_eq!(
        book.admit(&customer("b")),
        Ok(Admitted::To(CustomerIndex(1)))
    );
    assert_eq!(
        book.admit(&order("o", "b")),
        Ok(Admitted::To(CustomerIndex(1)))
    );
    assert_eq!(
        book.admit(&Entry::Ship { order: "o".into() }),
        Ok(Admitted::To(CustomerIndex(1)))
    );
}

#[test]
fn a_line_that_comes_again_changes_nothing() {
    let mut book = Book::default();
    for line in [customer("a"), order("o", "a")] {
        assert!(matches!(book.admit(&line), Ok(Admitted::To(_))));
        assert_eq!(book.admit(&line), Ok(Admitted::Repeated));
    }
    assert_eq!(
        book.admit(&customer("b")),
        Ok(Admitted::To(CustomerIndex(1)))
    );
}

#[test]
fn a_reference_used_twice_or_not_yet_known_is_refused() {
    let mut book = Book::default();
    assert!(
        book.admit(&order("o", "a"))
            .unwrap_err()
            .contains("customer \"a\" is not known")
    );

    book.admit(&customer("a")).unwrap();

    let another = Entry::Customer {
        reference: "a".into(),
        name: "B".into(),
        credit_limit: domain::Money::from_cents(1),
    };
    assert!(
        book.admit(&another)
            .unwrap_err()
            .contains("already used by another customer")
    );

    book.admit(&order("a", "a")).unwrap();
    book.admit(&customer("b")).unwrap();

    assert!(
        book.admit(&order("a", "b"))
            .unwrap_err()
            .contains("already used by another order")
    );

    assert!(
        book.admit(&Entry::Cancel { order: "x".into() })
            .unwrap_err()
            .contains("order \"x\" is not known")
    );
}
