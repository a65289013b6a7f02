//! What is ordered in the benchmarks: three lines, which is what a basket of the example data has.

use domain::order::{OrderCreated, total_of};
use domain::{CustomerId, Money, OrderLine};

/// An order of three lines, 12.34 in all.
pub fn basket(customer: CustomerId) -> OrderCreated {
    let line = |sku: &str, name: &str, quantity, cents| OrderLine {
        sku: sku.to_owned(),
        name: name.to_owned(),
        quantity,
        unit_price: Money::from_cents(cents),
    };

    let lines = vec![
        line("981760", "YOGURT", 2, 125),
        line("1082185", "BANANAS", 6, 29),
        line("995242", "2% MILK", 1, 810),
    ];
    let order_total = total_of(&lines).expect("a small total can be represented");

    OrderCreated {
        customer_id: customer,
        order_total,
        lines,
        note: Some("leave at the door".to_owned()),
        coordination: domain::Coordination::default(),
    }
}
