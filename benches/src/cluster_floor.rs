//! The floor of the cluster: the best that nodes over PostgreSQL and Kafka can do with the rows of
//! a create-order saga, over HTTP and durable.
//!
//! One process is one node. It accepts the same requests as the product, and writes the same rows
//! in the same three durable units (order and saga; reservation; outcome), fenced by epochs, with
//! versions compared, positions kept and gaps seen. Left out is what the product exists for:
//! actors, views, history by index, idempotency keys, recovery, and shards that move. It is
//! measured in two forms ([`options::Form`]): the plain way, and the best that is known.
//!
//! HTTP has a thread of its own, and so has what arrives from Kafka; one thread decides for both
//! services and drives their commits, each on one connection. Whatever fails ends the node.
//!
//! Not a server to use: a run needs a namespace that is new, and nothing resumes what a stop has
//! left unfinished.

pub mod check;
pub mod customers;
pub mod kafka;
pub mod lane;
pub mod messages;
pub mod options;
pub mod orders;
pub mod outbox;
pub mod ownership;
pub mod pacing;
pub mod positions;
pub mod schema;
pub mod state;
pub mod statements;
pub mod tally;

use actix_web::{App, HttpServer, web};
use anyhow::Context;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use self::customers::Customers;
use self::kafka::{Kafka, Producer};
use self::lane::{Lane, Service};
use self::messages::{Body, Delivery};
pub use self::options::Options;
use self::options::{Database, Form};
use self::orders::Orders;
use self::outbox::{Outbox, Way};
use self::ownership::Ownership;
use self::pacing::{InFlight, Pace};
use self::state::State;
use self::tally::Tally;
use crate::floor::routes;

/// The shards of each service, as in the product's default.
pub const SHARDS: u8 = 16;

/// Serves until it is told to stop.
///
/// # Errors
/// When the node cannot be made ready, or cannot listen.
pub async fn serve(options: Options) -> anyhow::Result<()> {
    let ownership = options.ownership()?;
    let brokers = options.kafka.clone().context("kafka: no brokers")?;
    let kafka = Kafka::new(brokers, options.namespace.clone(), ownership);
    kafka.create_topics().await?;

    let node = Node {
        ownership,
        producer: kafka.producer(options.linger_ms)?,
        in_flight: InFlight::default(),
        options,
    };
    let (to_orders, orders_inbox) = unbounded_channel();
    let (to_customers, customers_inbox) = unbounded_channel();
    let tallies = (Tally::default(), Tally::default());

    let orders = Orders::new(node.outbox(to_customers.clone(), &tallies.0));
    let database = &node.options.orders_database_url;
    node.commit(database, orders, orders_inbox, &tallies.0)
        .await?;

    let customers = Customers::new(node.outbox(to_orders.clone(), &tallies.1));
    let database = &node.options.customers_database_url;
    node.commit(database, customers, customers_inbox, &tallies.1)
        .await?;

    kafka.consume(to_customers, to_orders.clone())?;
    node.listen(to_orders).await?;
    println!("orders: {}", tallies.0);
    println!("customers: {}", tallies.1);
    Ok(())
}

/// What the parts of a node have in common.
struct Node {
    options: Options,
    ownership: Ownership,
    producer: Producer,
    in_flight: InFlight,
}

impl Node {
    /// The outbox of a service on this node, whose messages go to the other.
    fn outbox<B: Body, M: From<Delivery<B>>>(
        &self,
        receiver: UnboundedSender<M>,
        tally: &Tally,
    ) -> Outbox<B, M> {
        Outbox::new(Way {
            form: self.options.form,
            ownership: self.ownership,
            receiver,
            producer: self.producer.clone(),
            tally: tally.clone(),
        })
    }

    /// Makes the service's tables ready, and commits for it from now on, on this thread.
    async fn commit<S: Service + 'static>(
        &self,
        database: &Database,
        service: S,
        inbox: UnboundedReceiver<S::Message>,
        tally: &Tally,
    ) -> anyhow::Result<()> {
        let options = &self.options;
        let connection = database.of_a_lane(&options.namespace);
        schema::prepare::<S>(&connection, options, self.ownership).await?;

        let lane = Lane::open::<S>(&connection, options.form).await?;
        let tally = tally.clone();
        let pace = Pace {
            in_flight: self.in_flight.clone(),
            share: match options.form {
                Form::Plain => 0,
                Form::Best => usize::from(options.share),
            },
        };
        actix_web::rt::spawn(async move {
            if let Err(error) = lane.commit_all(service, inbox, pace, &tally).await {
                end(&error);
            }
        });
        Ok(())
    }

    /// Answers HTTP until the process is told to stop.
    async fn listen(self, orders: UnboundedSender<orders::Message>) -> anyhow::Result<()> {
        let Node {
            options, in_flight, ..
        } = self;
        let (listen, threads) = (options.listen, options.http_threads);
        let shown = format!("node {} of {}", options.node, options.layout());

        let server = HttpServer::new(move || {
            let state = State::new(orders.clone(), in_flight.clone(), &options);
            App::new()
                .app_data(web::Data::new(state))
                .configure(routes::configure::<State>)
        })
        .workers(usize::from(threads))
        .backlog(4_096)
        .bind(listen)
        .with_context(|| format!("listen: cannot listen on {listen}"))?;

        println!("cluster_floor: {shown}, listening on http://{listen}");
        Ok(server.run().await?)
    }
}

/// Starts a thread that lasts as long as the node.
fn start(
    name: &str,
    run: impl FnOnce() -> anyhow::Result<()> + Send + 'static,
) -> anyhow::Result<()> {
    let run = || {
        if let Err(error) = run() {
            end(&error);
        }
    };
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(run)?;
    Ok(())
}

/// Ends a node that would measure nothing.
fn end(error: &anyhow::Error) -> ! {
    eprintln!("cluster_floor: {error:#}");
    std::process::exit(1);
}
