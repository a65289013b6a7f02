//! Trips and tours in simulations: a node dies and comes back, stores fail, messages are lost and
//! repeated; and in the end nothing is held for one that is not booked.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use actors::simulation::{self, Equipment, Machine, simulate};
use store::Clock;
use store::simulated::{MemoryDatabase, Mischief, SimulatedClock, Template};
use tokio::time::{sleep, timeout};

use super::*;

type SeatsAndMoney = (Requests<Stock<0>>, Requests<Stock<2>>);

const NAMES: [&str; 6] = ["one", "two", "three", "four", "five", "six"];
const SOON: Duration = Duration::from_secs(1);

#[test]
fn whatever_goes_wrong_trips_are_booked_whole_or_not_at_all() {
    whatever_goes_wrong::<Trip>();
}

#[test]
fn whatever_goes_wrong_tours_are_booked_whole_or_not_at_all() {
    whatever_goes_wrong::<Tour>();
}

fn whatever_goes_wrong<J: Journey>() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let schemas = [FLIGHTS, HOTELS, CARDS, J::SERVICE].map(ServiceSchema::new);
    let template = runtime.block_on(Template::make(&schemas, 2)).unwrap();
    for seed in 0..25 {
        simulate(history::<J>(seed, template.copy().unwrap())).unwrap();
    }
}

async fn history<J: Journey>(seed: u32, disks: Vec<MemoryDatabase>) {
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
            let (cards, journeys) = (node.run().unwrap(), node.run().unwrap());
            (node.start(), ((flights, cards), journeys))
        });
        started.await.unwrap()
    };

    let machine = Machine::new();
    let (_node, (stocks, journeys)) = start(&machine).await;
    let _ = timeout(SOON * (1 + seed % 12), book_all::<J>(&stocks, &journeys)).await;
    machine.crash();

    let machine = Machine::new();
    let (_node, (stocks, journeys)) = start(&machine).await;
    book_all::<J>(&stocks, &journeys).await;
    sleep(120 * SOON).await;

    let id = |service, name| key(service, name).key.as_uuid();
    let seats = stocks.0.state(id(FLIGHTS, "LX1")).await.unwrap().unwrap();
    let money = stocks.1.state(id(CARDS, "a")).await.unwrap().unwrap();
    let mut booked = 0;
    for journey in NAMES.map(|name| id(J::SERVICE, name)) {
        let state = journeys.state(journey).await.unwrap().unwrap();
        let is_booked = state.state() == "BOOKED";
        let holds = [&seats.taken, &money.taken].map(|taken| taken.contains_key(&journey));
        assert_eq!(holds, [is_booked; 2], "seed {seed}: {journey}");
        booked += u32::from(is_booked);
    }
    // The money is enough for three.
    assert!(booked <= 3, "seed {seed}: {booked} are booked");
}

/// Asks for everything until all of it is there.
async fn book_all<J: Journey>((flights, cards): &SeatsAndMoney, journeys: &Requests<J>) {
    while stock(flights, "LX1", &["4"]).await.is_err() || stock(cards, "a", &["350"]).await.is_err()
    {
        sleep(SOON).await;
    }
    for name in NAMES {
        while book(journeys, name, ["LX1", "-", "a", "100"])
            .await
            .is_err()
        {
            sleep(SOON).await;
        }
    }
}
