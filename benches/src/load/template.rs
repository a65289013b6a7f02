//! Requests formatted once: per order only the customer and the key are written into the bytes.
//!
//! The amounts are fixed per template. An order that shall be rejected asks for more than the
//! customer's whole limit, so that it is rejected whatever else is reserved.

use std::ops::Range;

use domain::Money;

use super::customers::CustomerId;
use super::options::{Options, Path};

/// Goods named in the lines of orders, so that a text search index has something to do.
pub const GOODS: [&str; 12] = [
    "YOGURT",
    "WHOLE MILK",
    "ROLLS",
    "ROOT VEGETABLES",
    "SODA",
    "SAUSAGE",
    "TROPICAL FRUIT",
    "BOTTLED WATER",
    "PASTRY",
    "CITRUS FRUIT",
    "NEWSPAPERS",
    "CREAM CHEESE",
];

const CUSTOMER_LENGTH: usize = 36;
const KEY_LENGTH: usize = 32;

/// The bytes of one `POST /orders`.
#[derive(Debug, Clone)]
pub struct Template {
    bytes: Vec<u8>,
    customer: Range<usize>,
    key: Option<Range<usize>>,
    total: Money,
}

/// Why no template can be made.
#[derive(Debug, thiserror::Error)]
#[error("amount: {0} in {1} lines is more than an order can hold")]
pub struct TooLarge(Money, u32);

impl Template {
    /// The templates a run uses in turn.
    pub fn all(options: &Options) -> Result<Vec<Template>, TooLarge> {
        let beyond = options.credit_limit.checked_add(Money::from_cents(1));
        let rejected = beyond.ok_or(TooLarge(options.credit_limit, options.lines))?;
        let amounts = match options.path {
            Path::Approved => vec![options.amount],
            Path::Rejected => vec![rejected],
            Path::Mixed => vec![options.amount, rejected],
        };
        amounts
            .into_iter()
            .map(|amount| Template::new(options, amount))
            .collect()
    }

    /// With lines, `amount` is the unit price of each.
    fn new(options: &Options, amount: Money) -> Result<Template, TooLarge> {
        let total = amount
            .checked_mul(options.lines.max(1))
            .ok_or(TooLarge(amount, options.lines))?;

        let customer = "0".repeat(CUSTOMER_LENGTH);
        let body = if options.lines == 0 {
            format!(r#"{{"customerId":"{customer}","orderTotal":{{"amount":"{total}"}}}}"#)
        } else {
            let lines: Vec<String> = (0..options.lines)
                .zip(GOODS.iter().cycle())
                .map(|l| line(l, amount))
                .collect();
            format!(
                r#"{{"customerId":"{customer}","lines":[{}]}}"#,
                lines.join(",")
            )
        };

        let mut head = format!(
            "POST /orders HTTP/1.1\r\nHost: {}\r\n",
            options.url.of(0).authority
        );
        head.push_str("Content-Type: application/json\r\n");

        if options.wait > 0 {
            head.push_str(&format!("Prefer: wait={}\r\n", options.wait));
        }

        let key = options.idempotency_key.then(|| {
            head.push_str("Idempotency-Key: ");
            let start = head.len();
            head.push_str(&"0".repeat(KEY_LENGTH));
            head.push_str("\r\n");
            start..start + KEY_LENGTH
        });

        head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
        let start = head.len() + r#"{"customerId":""#.len();

        Ok(Template {
            bytes: (head + &body).into_bytes(),
            customer: start..start + CUSTOMER_LENGTH,
            key,
            total,
        })
    }

    /// The total of the order that the template sends.
    #[must_use]
    pub fn total(&self) -> Money {
        self.total
    }

    /// The request for one order. Valid until the next call.
    pub fn fill(&mut self, customer: &CustomerId, key: u128) -> &[u8] {
        if let Some(place) = self.bytes.get_mut(self.customer.clone()) {
            place.copy_from_slice(customer.as_bytes());
        }

        if let Some(place) = self.key.clone().and_then(|key| self.bytes.get_mut(key)) {
            let mut rest = key;
            for digit in place.iter_mut().rev() {
                let nibble = u8::try_from(rest & 0xf).unwrap_or_default();
                *digit = if nibble < 10 {
                    b'0' + nibble
                } else {
                    b'a' + nibble - 10
                };
                rest >>= 4;
            }
        }

        &self.bytes
    }
}

fn line((number, name): (u32, &&str), price: Money) -> String {
    let sku = 100_000 + number;
    format!(r#"{{"sku":"{sku}","name":"{name}","quantity":1,"unitPrice":{{"amount":"{price}"}}}}"#)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn templates(arguments: &[&str]) -> Vec<Template> {
        Template::all(&Options::try_parse_from(["load"].iter().chain(arguments)).unwrap()).unwrap()
    }

    fn body(request: &[u8]) -> (String, serde_json::Value) {
        let text = std::str::from_utf8(request).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let length: usize = head
            .split("Content-Length: ")
            .nth(1)
            .unwrap()
            .parse()
            .unwrap();
        assert_eq!(length, body.len());
        (head.to_owned(), serde_json::from_str(body).unwrap())
    }

    #[test]
    fn an_order_by_total_names_its_customer_and_key() {
        let customer: CustomerId = "0191e3a0-0000-7000-8000-00000000002a".parse().unwrap();
        let mut template = templates(&["--idempotency-key", "--amount", "2.50"]).remove(0);
        let (head, body) = body(template.fill(&customer, 0x2a));
        assert!(head.contains("Idempotency-Key: 0000000000000000000000000000002a\r\n"));
        assert!(head.contains("Prefer: wait=30\r\n"));
        assert_eq!(body["customerId"], customer.as_str());
        assert_eq!(body["orderTotal"]["amount"], "2.50");
    }

    #[test]
    fn the_lines_of_an_order_add_up_to_its_total() {
        let customer: CustomerId = "0191e3a0-0000-7000-8000-00000000002a".parse().unwrap();
        let mut template =
            templates(&["--lines", "3", "--amount", "2.50", "--wait", "0"]).remove(0);
        assert_eq!(template.total(), Money::from_cents(750));
        let (head, body) = body(template.fill(&customer, 0));
        assert!(!head.contains("Prefer"));
        assert_eq!(body["lines"].as_array().unwrap().len(), 3);
        assert_eq!(body["lines"][2]["unitPrice"]["amount"], "2.50");
    }

    #[test]
    fn an_order_to_be_rejected_is_larger_than_the_whole_limit() {
        let both = templates(&["--path", "mixed", "--credit-limit", "10.00"]);
        let totals: Vec<i64> = both
            .iter()
            .map(|template| template.total().cents())
            .collect();
        assert_eq!(totals, [100, 1001]);
    }
}
