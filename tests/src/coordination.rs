//! How the nodes under test coordinate orders: by sagas or, with
//! `COUNTERFOIL_TEST_COORDINATION=choreography`, by services that react to each other's events.
//! What callers see is the same, but for the sagas.

use crate::Response;

/// The setting.
const SETTING: &str = "COUNTERFOIL_COORDINATION";

/// For a node that has sagas, whatever the run is about.
pub const ORCHESTRATED: (&str, &str) = (SETTING, "orchestration");
/// For a node without, whatever the run is about.
pub const CHOREOGRAPHED: (&str, &str) = (SETTING, "choreography");

/// Whether this run is about nodes whose orders have sagas.
pub fn has_sagas() -> bool {
    match std::env::var("COUNTERFOIL_TEST_COORDINATION").as_deref() {
        Err(_) | Ok("orchestration") => true,
        Ok("choreography") => false,
        Ok(other) => panic!(
            "COUNTERFOIL_TEST_COORDINATION is {other:?}; allowed: orchestration, choreography"
        ),
    }
}

/// The settings of a node of this run. Orchestration is the default, which is left to prove itself.
pub(crate) fn settings() -> Vec<(String, String)> {
    let (name, value) = CHOREOGRAPHED;
    let choreographed = (!has_sagas()).then(|| (name.to_owned(), value.to_owned()));
    choreographed.into_iter().collect()
}

impl Response {
    /// The saga that an answer names; asserts that it names one exactly if this run has them.
    #[track_caller]
    pub fn saga(&self) -> Option<&str> {
        let saga = self.json.get("sagaId").map(|_| self.str("sagaId"));
        assert_eq!(saga.is_some(), has_sagas(), "{}: {}", self.call, self.text);
        saga
    }
}
