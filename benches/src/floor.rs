//! The floor: the best a machine can do with the rows of a create-order saga, over HTTP and
//! durable.
//!
//! It accepts the same requests as the product and writes the same rows in the same three durable
//! units (order and saga; reservation; outcome) into two SQLite files, by prepared statements, with
//! pipelined group commits. Left out is what the product exists for: actors, views, search,
//! history, idempotency, recovery. Decisions are made in a hash map by the thread that commits
//! them. So its rate bounds that of any design with these rows and these commits; reports give the
//! product's rate as a share of it.
//!
//! Not a server to use: it begins with an empty directory and does not resume what a stop left
//! unfinished.

pub mod committer;
pub mod customers;
pub mod messages;
pub mod orders;
pub mod reader;
pub mod routes;
pub mod schema;
pub mod state;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::mpsc;

use actix_web::{App, HttpServer, web};
use anyhow::Context;

use self::committer::commit_all;
use self::reader::Reader;
use self::state::State;

/// The shards of each service, as in the product's default.
pub const SHARDS: u8 = 16;

/// The settings of the floor.
#[derive(Debug, Clone, clap::Parser)]
#[command(
    name = "floor",
    version,
    about = "The same rows in the same durable units, without actors and views"
)]
pub struct Options {
    /// HTTP address.
    #[arg(long, default_value = "127.0.0.1:8081")]
    pub listen: SocketAddr,
    /// An empty or new directory for the two databases.
    #[arg(long, default_value = "./floor-data")]
    pub data_dir: PathBuf,
    /// Threads that answer HTTP, besides the two that commit.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub http_threads: u16,
}

/// Serves until it is told to stop.
pub async fn serve(options: Options) -> anyhow::Result<()> {
    std::fs::create_dir_all(&options.data_dir)
        .with_context(|| format!("data-dir: cannot create {}", options.data_dir.display()))?;
    let orders_file = schema::create(&options.data_dir, schema::ORDERS)?;
    let customers_file = schema::create(&options.data_dir, schema::CUSTOMERS)?;
    let (to_orders, orders_inbox) = mpsc::channel();
    let (to_customers, customers_inbox) = mpsc::channel();

    let (reserve_at, reply_to) = (to_customers.clone(), to_orders.clone());
    start("floor-orders", move || {
        commit_all(
            &orders_file,
            orders::Units::new(&orders_file, reserve_at)?,
            &orders_inbox,
        )
    })?;
    start("floor-customers", move || {
        commit_all(
            &customers_file,
            customers::Units::new(&customers_file, reply_to)?,
            &customers_inbox,
        )
    })?;

    let data_dir = options.data_dir.clone();
    let server = HttpServer::new(move || {
        let reader = Reader::open(&data_dir)
            .map_err(|error| eprintln!("floor: cannot read: {error:#}"))
            .ok();
        App::new()
            .app_data(web::Data::new(State::new(
                to_orders.clone(),
                to_customers.clone(),
                reader,
            )))
            .configure(routes::configure::<State>)
    })
    .workers(usize::from(options.http_threads))
    .backlog(4_096)
    .bind(options.listen)
    .with_context(|| format!("listen: cannot listen on {}", options.listen))?;
    println!(
        "floor: listening on http://{}, data in {}",
        options.listen,
        options.data_dir.display()
    );
    Ok(server.run().await?)
}

/// Starts a committer. A floor whose commits fail measures nothing, so it ends.
fn start(
    name: &str,
    commit: impl FnOnce() -> anyhow::Result<()> + Send + 'static,
) -> anyhow::Result<()> {
    let run = || {
        if let Err(error) = commit() {
            eprintln!("floor: {error:#}");
            std::process::exit(1);
        }
    };

    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(run)?;

    Ok(())
}
