//! The schemas of the document: what clients are made from.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{document, operations};

#[test]
fn every_reference_resolves() {
    fn check(document: &Value, part: &Value) {
        if let Some(reference) = part["$ref"].as_str() {
            assert!(
                document
                    .pointer(reference.trim_start_matches('#'))
                    .is_some(),
                "{reference}"
            );
        }
        let parts = part
            .as_object()
            .into_iter()
            .flat_map(|object| object.values());
        parts
            .chain(part.as_array().into_iter().flatten())
            .for_each(|part| check(document, part));
    }

    let document = serde_json::to_value(document()).unwrap();
    check(&document, &document);

    assert_eq!(
        document["components"]["schemas"]["OrderState"]["enum"]
            .as_array()
            .unwrap()
            .len(),
        6
    );
}

#[test]
fn the_types_of_problems_are_listed() {
    let document = serde_json::to_value(document()).unwrap();
    let schemas = &document["components"]["schemas"];
    assert_eq!(
        schemas["Problem"]["properties"]["type"]["$ref"],
        "#/components/schemas/ProblemType"
    );

    let types = schemas["ProblemType"]["enum"].as_array().unwrap();
    assert!(types.contains(&json!("urn:counterfoil:problem:view-behind")));
    assert!(types.len() > 15, "{types:?}");
}

#[test]
fn amounts_are_texts_for_clients() {
    let document = serde_json::to_value(document()).unwrap();
    let schemas = &document["components"]["schemas"];

    let amount = |schema: &str| schemas[schema]["properties"]["amount"].clone();
    for schema in ["MoneyInput", "Money"] {
        assert_eq!(amount(schema)["type"], "string", "{schema}");
    }
    assert_ne!(amount("MoneyInput")["pattern"], amount("Money")["pattern"]);

    assert_eq!(
        schemas["NewCustomer"]["properties"]["creditLimit"]["$ref"],
        "#/components/schemas/MoneyInput"
    );

    let quantity = &schemas["NewOrderLine"]["properties"]["quantity"];
    assert_eq!(
        (&quantity["minimum"], &quantity["maximum"]),
        (&json!(1), &json!(u32::MAX))
    );

    assert_eq!(quantity["format"], "int64");

    assert!(
        schemas["CustomerDetails"]["allOf"][1]["required"].is_null(),
        "orders are not always there"
    );
}

#[test]
fn an_amount_of_a_caller_has_the_same_bounds_everywhere() {
    let document = serde_json::to_value(document()).unwrap();
    let in_bodies = &document["components"]["schemas"]["MoneyInput"]["properties"]["amount"];
    let pattern = &in_bodies["pattern"];
    assert!(pattern.as_str().unwrap().contains("|10000000000000("));

    let named = ["\"minTotal\"", "\"maxTotal\"", "\"minOrderTotal\""];
    let amounts = answered().into_iter();
    let amounts = amounts.filter(|(what, _)| named.iter().any(|name| what.ends_with(name)));
    let patterns: Vec<Value> = amounts
        .map(|(_, schema)| schema["pattern"].clone())
        .collect();
    assert_eq!(
        patterns,
        [pattern.clone(), pattern.clone(), pattern.clone()]
    );
}

#[test]
fn a_body_is_filled_in_with_examples_and_not_with_whatever_a_pattern_allows() {
    let document = serde_json::to_value(document()).unwrap();
    let schemas = &document["components"]["schemas"];

    for body in [
        "NewCustomer",
        "NewOrder",
        "NewOrderLine",
        "OperatorReason",
        "MessageEdit",
    ] {
        for (name, property) in schemas[body]["properties"].as_object().unwrap() {
            let filled_in = property["pattern"].is_null() || property["example"].is_string();
            assert!(filled_in, "{body}.{name}: {property}");
        }
    }
}

/// The bodies of requests, in which `null` counts as not given.
const BODIES: [&str; 9] = [
    "NewOrder",
    "OperatorReason",
    "SagaBulk",
    "SagaBulkFilter",
    "MessageEdit",
    "ParkedBulk",
    "ParkedBulkFilter",
    "InViewsBulk",
    "InViewsBulkFilter",
];

/// All schemas of answers and parameters, each with its place.
fn answered() -> Vec<(String, Value)> {
    let document = serde_json::to_value(document()).unwrap();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let schemas = schemas
        .iter()
        .filter(|(name, _)| !BODIES.contains(&name.as_str()));
    let schemas = schemas.map(|(name, schema)| (name.clone(), schema.clone()));

    let of_operation = |(method, path, operation): (String, String, Value)| {
        let parameters = operation["parameters"].as_array().cloned();
        let parameters = parameters.unwrap_or_default().into_iter();
        parameters.map(move |one| {
            (
                format!("{method} {path} {}", one["name"]),
                one["schema"].clone(),
            )
        })
    };
    schemas
        .chain(operations().into_iter().flat_map(of_operation))
        .collect()
}

#[test]
fn what_is_left_out_is_never_null() {
    let answered = answered();
    assert!(answered.len() > 80);
    for (what, schema) in answered {
        assert!(!schema.to_string().contains("\"null\""), "{what}: {schema}");
    }
}

#[test]
fn keys_cursors_and_tokens_have_their_patterns() {
    let mut found = BTreeSet::new();
    for (what, schema) in answered() {
        for name in ["Idempotency-Key", "cursor", "Consistency-Token", "minTotal"] {
            if what.ends_with(&format!("\"{name}\"")) {
                assert!(schema["pattern"].is_string(), "{what}");
                assert!(
                    schema["example"].is_null(),
                    "{what}: a form would be filled in with it"
                );
                found.insert(name);
            }
        }
    }
    assert_eq!(found.len(), 4, "{found:?}");
}
