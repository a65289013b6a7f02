//! Books trips from the command line; see README.md.

#[cfg(test)]
mod simulated;
mod stock;
mod tour;
mod trip;

use std::time::Duration;

use actors::{Entity, Follow, Node, NodeConfig, NodeParts, RequestBinding, Requests};
use anyhow::{Context, bail};
use futures_util::future::try_join_all;
use sagas::{Address, Service};
use store::ServiceSchema;

use stock::{CARDS, FLIGHTS, HOTELS, Stock};
use tour::{Journey, TOURS, Tour};
use trip::{Booking, TRIPS, Trip};

#[actix::main]
async fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let [folder, command @ ..] = args.as_slice() else {
        bail!("usage: trip FOLDER COMMAND ...")
    };

    let schemas = [FLIGHTS, HOTELS, CARDS, TRIPS, TOURS].map(ServiceSchema::new);
    let config = NodeConfig::default();
    let opened = NodeParts::embedded(&schemas, folder.as_ref(), config.shards).await?;
    let mut node = Node::builder(&config, &opened.parts);
    let (flights, hotels, cards) = (node.run()?, node.run()?, node.run()?);
    let (trips, tours) = (node.run()?, node.run()?);
    let node = node.start();
    node.opened().await;

    let done = match *command {
        ["flight", name, ref seats @ ..] => stock::<0>(&flights, name, seats).await,
        ["hotel", name, ref rooms @ ..] => stock::<1>(&hotels, name, rooms).await,
        ["card", name, ref cents @ ..] => stock::<2>(&cards, name, cents).await,
        ["book", ref of @ ..] => book_all::<Trip>(&trips, of).await,
        ["tour", ref of @ ..] => book_all::<Tour>(&tours, of).await,
        _ => bail!("see README.md for the commands"),
    };
    node.stop().await;
    done
}

type Stocks<const S: usize> = Requests<Stock<S>>;

/// Opens a stock, once, when an amount is given; shows it.
async fn stock<const S: usize>(to: &Stocks<S>, name: &str, amount: &[&str]) -> anyhow::Result<()> {
    let key = key(Stock::<S>::SERVICE, name);
    if let [amount] = amount {
        to.create(amount.parse()?, Some(key), Follow::Nothing)
            .await?;
    }

    let stock = to
        .state(key.key.as_uuid())
        .await?
        .context("there is no such thing")?;
    println!("{name}: {} left, {} trips", stock.left, stock.taken.len());
    Ok(())
}

async fn book_all<J: Journey>(to: &Requests<J>, of: &[&str]) -> anyhow::Result<()> {
    let [flight, hotel, card, price, names @ ..] = of else {
        bail!("see README.md for what a journey needs")
    };
    let of = [*flight, hotel, card, price];
    try_join_all(names.iter().map(|name| book(to, name, of))).await?;
    Ok(())
}

/// Books a journey, once, however often it is asked to; shows how that has ended.
async fn book<J: Journey>(to: &Requests<J>, name: &str, of: [&str; 4]) -> anyhow::Result<()> {
    let [flight, hotel, card, price] = of;
    let address = |service, name| Address::new(service, key(service, name).key.as_uuid());
    let booking = Booking {
        trip: address(J::SERVICE, name).entity,
        flight: address(FLIGHTS, flight),
        hotel: (hotel != "-").then(|| address(HOTELS, hotel)),
        card: address(CARDS, card),
        price: price.parse()?,
    };

    let accepted = to
        .create(booking, Some(key(J::SERVICE, name)), Follow::saga())
        .await?;
    let ended = accepted.ended_within(Duration::from_secs(60)).await?;
    println!("{name}: {}", ended.entity.state());
    Ok(())
}

/// A name is a key: the same name never makes a second one.
fn key(service: Service, name: &str) -> RequestBinding {
    RequestBinding::new(service.name(), name, name.as_bytes())
}
