//! Trips in simulations: a node dies and comes back, stores fail, messages are lost and repeated;
//! and in the end nothing is held for a trip that is not booked.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use actors::simulation::{self, Equipment, Machine, simulate};
use store::Clock;
use store::simulated::{MemoryDatabase, Mischief, SimulatedClock, Template};
use tokio::time::{sleep, timeout};

use super::*;

type Doors = (Requests<Stock<0>>, Requests<Stock<2>>, Requests<Trip>);

const NAMES: [&str; 6] = ["one", "two", "three", "four", "five", "six"];
const SOON: Duration = Duration::from_secs(1);

#[test]
fn whatever_goes_wrong_trips_are_booked_whole_or_not_at_all() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let schemas = [FLIGHTS, HOTELS, CARDS, TRIPS].map(ServiceSchema::new);
    let template = runtime.block_on(Template::make(&schemas, 2)).unwrap();
    for seed in 0..25 {
        simulate(history(seed, template.copy().unwrap())).unwrap();
    }
}

async fn history(seed: u32, disks: Vec<MemoryDatabase>) {
    let trouble = Arc::new(Mischief::seeded(seed.into(), 10, 20 * SOON));
    let clock = SimulatedClock::at(sagas::Timestamp::from_micros(1 << 50), seed.into());
    let start = async |machine: &Machine| {
        let (disks, trouble) = (disks.clone(), trouble.clone());
        let clock = Clock::of(Arc::new(clock.clone()));
        let started = machine.run(async move {
            let equipment = Equipment::alone(disks, 2, clock, trouble);
            let parts = simulation::parts(equipment).unwrap().parts;
            let config = simulation::config(2);
            let mut node = Node::builder(&config, &parts);
            let (flights, _) = (node.run().unwrap(), node.run::<Stock<1>>().unwrap());
            let (cards, trips) = (node.run().unwrap(), node.run().unwrap());
            (node.start(), (flights, cards, trips))
        });
        started.await.unwrap()
    };

    let machine = Machine::new();
    let (_node, doors) = start(&machine).await;
    let _ = timeout(SOON * (1 + seed % 12), book_all(&doors)).await;
    machine.crash();

    let machine = Machine::new();
    let (_node, doors) = start(&machine).await;
    book_all(&doors).await;
    sleep(120 * SOON).await;

    let lx1 = key(FLIGHTS, "LX1").key.as_uuid();
    let seats = doors.0.state(lx1).await.unwrap().unwrap();
    for trip in NAMES.map(|name| key(TRIPS, name).key.as_uuid()) {
        let state = doors.2.state(trip).await.unwrap().unwrap().state;
        let holds = seats.taken.contains_key(&trip);
        assert_eq!(state == "BOOKED", holds, "seed {seed}: {trip}");
    }
}

/// Asks for everything until all of it is there.
async fn book_all((flights, cards, trips): &Doors) {
    while stock(flights, "LX1", &["4"]).await.is_err() || stock(cards, "a", &["350"]).await.is_err()
    {
        sleep(SOON).await;
    }
    for name in NAMES {
        while book(trips, name, ["LX1", "-", "a", "100"]).await.is_err() {
            sleep(SOON).await;
        }
    }
}
