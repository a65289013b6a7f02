//! A service whose messages cannot be told apart does not run.

use sagas::{NoSaga, Service, Timestamp, wire_messages};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::*;
use crate::{CannotRun, Decision, Entity, Head};

const ECHOES: Service = Service::new(124, "echoes");

/// Says what it hears.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Echo(Head);

wire_messages! {
    pub enum Called {
        Called(()) = "echo.called" 1,
    }
}

wire_messages! {
    pub enum Call {
        Call(()) = "echo.call" 1,
    }
}

impl Entity for Echo {
    const SERVICE: Service = ECHOES;
    const KIND: &'static str = "echo";
    type Command = ();
    type Event = Called;
    type Request = Call;
    type Reply = Call;
    type Part = ();
    type Saga = NoSaga;

    fn head(&self) -> Head {
        self.0
    }

    fn decide(_: Option<&Self>, _: Uuid, (): ()) -> Decision<Self> {
        Decision::Happens(Called::Called(()))
    }

    fn fold(before: Option<Self>, id: Uuid, _: &Called, at: Timestamp) -> Option<Self> {
        let head = before.map(|echo| echo.0).unwrap_or_default();
        Some(Echo(head.after_event(id, at)))
    }

    fn react(_: Option<&Self>, call: &Call, _: Option<&()>) -> (Option<Called>, Call) {
        (None, call.clone())
    }
}

#[test]
fn a_service_with_a_message_of_two_meanings_is_refused_and_the_others_run() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let schemas = [SEATS, ECHOES].map(ServiceSchema::new);
        let parts = parts_for(&schemas, &folder).await;
        let config = config(0);
        let mut node = Node::builder(&config, &parts);
        let refused = node.run::<Echo>().unwrap_err();
        assert!(matches!(refused, CannotRun::Message { .. }), "{refused:?}");
        assert_eq!(
            refused.to_string(),
            "service echoes: message echo.call has two meanings, a command and a reply"
        );

        node.run::<Seats>().unwrap();
        let refused = node.run::<Seats>().unwrap_err();
        assert_eq!(refused.to_string(), "the service seats is to run twice");
    });
}
