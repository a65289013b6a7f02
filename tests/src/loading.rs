//! Where the nodes under test take entities from that are not in memory: from their rows or, with
//! `COUNTERFOIL_TEST_LOADING=replay:3` for example, from their events. Callers see the same.

/// The settings of a node of this run. Rows are the default, which is left to prove itself;
/// otherwise as little as may be stays in memory, so that much is loaded.
pub(crate) fn settings() -> Vec<(String, String)> {
    let Ok(loading) = std::env::var("COUNTERFOIL_TEST_LOADING") else {
        return Vec::new();
    };
    replaying(&loading)
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

/// The settings of a node that takes entities from there, and keeps few of them in memory.
pub fn replaying(loading: &str) -> [(&str, &str); 3] {
    [
        ("COUNTERFOIL_CUSTOMERS_LOADING", loading),
        ("COUNTERFOIL_ORDERS_LOADING", loading),
        ("COUNTERFOIL_MAX_ACTORS", "100"),
    ]
}
