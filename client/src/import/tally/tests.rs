use super::*;

#[test]
fn orders_are_counted_by_their_last_state() {
    let mut tally = Tally::new();
    tally.order_placed(OrderState::Approved, None, Duration::from_millis(2));
    tally.order_placed(OrderState::Approved, None, Duration::from_millis(4));

    tally.order_placed(
        OrderState::Rejected,
        Some("INSUFFICIENT_CREDIT".into()),
        Duration::from_millis(100),
    );

    tally.order_changed(Some(OrderState::Approved), OrderState::Shipped);
    let summary = tally.summary(Duration::from_secs(2), Duration::ZERO);

    assert_eq!(
        (
            summary.count(OrderState::Approved),
            summary.count(OrderState::Shipped)
        ),
        (1, 1)
    );

    assert_eq!(summary.rejected_by.get("INSUFFICIENT_CREDIT"), Some(&1));
    assert!((summary.orders_per_second - 1.5).abs() < 0.001);

    assert!(
        (summary.latency_ms.p50 - 4.0).abs() < 0.01,
        "{:?}",
        summary.latency_ms
    );

    assert!(
        (summary.latency_ms.max - 100.0).abs() < 0.1,
        "{:?}",
        summary.latency_ms
    );
}

#[test]
fn a_repeat_that_finds_the_order_shipped_counts_it_once() {
    let mut tally = Tally::new();
    tally.order_placed(OrderState::Shipped, None, Duration::from_millis(2));
    tally.order_changed(Some(OrderState::Shipped), OrderState::Shipped);
    assert_eq!(
        tally
            .summary(Duration::ZERO, Duration::ZERO)
            .count(OrderState::Shipped),
        1
    );
}

#[test]
fn the_json_has_the_names_of_the_contract() {
    let json = Tally::new()
        .summary(Duration::from_secs(1), Duration::ZERO)
        .to_json()
        .unwrap();
    for name in [
        r#""states":{"APPROVED":0,"REJECTED":0,"CANCELLED":0,"SHIPPED":0}"#,
        "rejectedBy",
        "ship_refused",
        "ordersPerSecond",
        "latencyMs",
        "viewsSeconds",
    ] {
        assert!(json.contains(name), "{name} in {json}");
    }
}

#[test]
fn errors_are_counted_beyond_those_kept() {
    let mut tally = Tally::new();
    (1..=1_005).for_each(|line| tally.skipped(line, "bad".into()));
    let summary = tally.summary(Duration::ZERO, Duration::ZERO);
    assert_eq!(
        (summary.skipped, summary.errors.len()),
        (1_005, MOST_ERRORS)
    );
}
