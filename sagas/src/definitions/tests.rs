//! Which definition a stored run goes on under.

use super::*;
use crate::StepState;
use crate::run::tests::trip::{SAGAS, SECOND, Trip};

fn records(names: &[&'static str]) -> Vec<StepRecord> {
    names
        .iter()
        .map(|name| StepRecord::remaining(*name))
        .collect()
}

#[test]
fn a_run_goes_on_under_the_version_it_began_with() {
    let mut trip = Trip::default();
    let steps = records(&["request", "book-flight", "book-hotel", "confirm"]);
    let (definition, fitting) = SAGAS
        .resolve("evolving", 2, steps.clone(), &mut trip)
        .unwrap();
    assert_eq!(definition, &SECOND);
    assert_eq!(fitting, steps);
}

#[test]
fn a_run_of_a_version_that_is_gone_is_carried_over_by_a_written_step() {
    let mut trip = Trip {
        with_hotel: true,
        ..Trip::default()
    };
    let mut steps = records(&["ask-for", "book-flight", "confirm"]);
    steps[1].state = StepState::Running;

    let (definition, fitting) = SAGAS.resolve("evolving", 1, steps, &mut trip).unwrap();
    assert_eq!(definition.version, 2);
    let names: Vec<_> = fitting.iter().map(|record| record.name.as_ref()).collect();
    assert_eq!(names, ["request", "book-flight", "book-hotel", "confirm"]);
    assert_eq!(fitting[1].state, StepState::Running);
    assert!(!trip.with_hotel, "the data came along");
}

#[test]
fn a_run_over_which_carrying_it_over_panics_stops_alone() {
    let one_step = records(&["ask-for"]);
    let panicked = SAGAS.resolve("evolving", 1, one_step, &mut Trip::default());
    let error = panicked.unwrap_err();
    let expected = "carrying version 1 of saga evolving over to version 2 panicked: ";
    assert!(error.to_string().starts_with(expected), "{error}");
}

#[test]
fn a_run_that_no_definition_fits_stops_loudly() {
    let trip = &mut Trip::default();
    let steps = || records(&["request", "book-flight", "book-hotel", "confirm"]);

    let unknown = SAGAS.resolve("evolving", 3, steps(), trip).unwrap_err();
    assert_eq!(
        unknown.to_string(),
        "this release knows no version 3 of saga evolving"
    );

    let other_step = records(&["request", "book-boat", "book-hotel", "confirm"]);
    let unknown = SAGAS.resolve("evolving", 2, other_step, trip).unwrap_err();
    assert_eq!(
        unknown.to_string(),
        "version 2 of saga evolving has no step book-boat"
    );

    let one_more = [steps(), records(&["wave"])].concat();
    let unknown = SAGAS.resolve("evolving", 2, one_more, trip).unwrap_err();
    assert_eq!(
        unknown.to_string(),
        "version 2 of saga evolving has no step wave"
    );

    let one_less = records(&["request", "book-flight"]);
    let missing = SAGAS.resolve("evolving", 2, one_less, trip).unwrap_err();
    assert!(missing.to_string().contains("book-hotel"), "{missing}");
}

#[test]
fn steps_of_release_0_1_get_their_names_by_their_places() {
    let trip = &mut Trip::default();
    let (definition, fitting) = SAGAS
        .resolve("payment", 1, records(&["", "", ""]), trip)
        .unwrap();
    let names = definition.steps.iter().map(|step| step.name);
    assert!(names.eq(fitting.iter().map(|record| record.name.as_ref())));

    assert!(
        SAGAS
            .resolve("payment", 1, records(&["", ""]), trip)
            .is_err()
    );
}

#[test]
fn new_runs_begin_under_the_newest_version() {
    assert_eq!(SAGAS.newest("evolving"), Some(&SECOND));
    assert_eq!(SAGAS.newest("unknown"), None);
}
