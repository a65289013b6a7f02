//! Fills a node with a small believable shop and keeps it alive: what `counterfoil demo` shows.
//!
//! The shop plays itself through the engine of `import`, over HTTP like any other client. Its
//! opening has fixed references, so a demo started again on the same data adds nothing to it; the
//! trickle after it is new each time.

mod shop;

use std::time::Duration;

use futures_util::future;
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use super::ClientError;
use super::http::Node;
use super::import::engine::{Engine, Options};
use super::import::line::Entry;
use super::import::progress::Progress;
use super::import::source::Line;
use shop::Shop;

/// How long the demo tries to reach its node, which starts at the same time.
const PATIENCE: Duration = Duration::from_secs(60);
const OPTIONS: Options = Options {
    most_at_once: 16,
    keep_going: true,
};
/// The same shop every time.
const SEED: u64 = 1987;

/// Fills the node at `url` and then sends an order every now and then, until `stop` says `true` or
/// its sender is gone.
pub async fn populate(url: &str, mut stop: watch::Receiver<bool>) -> Result<(), ClientError> {
    let node = Node::new(url)?.with_patience(PATIENCE);
    let (lines, receiver) = mpsc::channel(16);
    let engine = Engine::new(node, OPTIONS, Progress::Silent);
    tokio::select! {
        // The feeding never ends by itself; it does when the engine has given up.
        (report, ()) = future::join(engine.play(receiver), feed(lines)) => {
            report.failure.map_or(Ok(()), Err)
        }
        _ = stop.wait_for(|stop| *stop) => Ok(()),
    }
}

async fn feed(lines: mpsc::Sender<Result<Line, ClientError>>) {
    let mut shop = Shop::new(SEED);
    let opening = shop.opening();

    let mut number = 0;
    for entry in opening {
        number += 1;
        if lines.send(Ok(line(number, entry))).await.is_err() {
            return;
        }
    }

    tracing::info!("the demo shop is open, orders keep coming in");
    shop.trickle_as(&Uuid::now_v7().simple().to_string());

    loop {
        tokio::time::sleep(shop.pause()).await;
        for entry in shop.next_entries() {
            number += 1;
            if lines.send(Ok(line(number, entry))).await.is_err() {
                return;
            }
        }
    }
}

fn line(number: u64, entry: Entry) -> Line {
    Line {
        number,
        size: 0,
        advance: 0,
        entry: Ok(entry),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Fake;

    #[actix_web::test]
    async fn the_shop_opens_goes_on_and_ends_when_told() {
        let fake = Fake::start();
        let (stop, stopped) = watch::channel(false);
        let url = fake.url.clone();
        let populating = actix_web::rt::spawn(async move { populate(&url, stopped).await });

        let opened = async {
            // The opening has 320 orders; the one beyond is the trickle's.
            while fake.state.lock().unwrap().orders.len() <= 320 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };

        tokio::time::timeout(Duration::from_secs(30), opened)
            .await
            .unwrap();

        stop.send(true).unwrap();
        populating.await.unwrap().unwrap();
        let state = fake.state.lock().unwrap();

        for wanted in ["APPROVED", "REJECTED", "SHIPPED", "CANCELLED"] {
            assert!(
                state.orders.values().any(|order| order.state == wanted),
                "{wanted}"
            );
        }
    }
}
