//! A service whose schema says which messages it has, and leaves one out, does not run.

use sagas::{SagaData, WireMessage};

use super::*;
use crate::{CannotRun, Entity};

type TourSaga = <Tour as Entity>::Saga;

/// Whether a node runs tours on a database with this schema.
fn runs(schema: ServiceSchema) -> Result<(), CannotRun> {
    let mut ran = Ok(());
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let parts = parts_for(&[ServiceSchema::new(SEATS), schema], &folder).await;
        ran = Node::builder(&config(0), &parts).run::<Tour>().map(drop);
    });
    ran
}

#[test]
fn a_service_whose_schema_leaves_out_one_of_its_messages_is_refused() {
    const EVENTS: ServiceSchema =
        ServiceSchema::new(TOURS).with_messages(&[<Tour as Entity>::Event::WIRE_NAMES]);
    let refused = runs(EVENTS).unwrap_err();
    assert!(matches!(refused, CannotRun::LeftOut { .. }), "{refused:?}");

    const ALL: ServiceSchema = ServiceSchema::new(TOURS).with_messages(&[
        <Tour as Entity>::Event::WIRE_NAMES,
        <Tour as Entity>::NOTICES,
        <Tour as Entity>::Request::WIRE_NAMES,
        <Tour as Entity>::Reply::WIRE_NAMES,
        <TourSaga as SagaData>::Command::WIRE_NAMES,
        <TourSaga as SagaData>::Reply::WIRE_NAMES,
    ]);
    runs(ALL).unwrap();
    runs(ServiceSchema::new(TOURS)).unwrap();
}
