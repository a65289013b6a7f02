//! Callers that send an order and read it, with the token of its answer or without.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use futures_util::future::try_join_all;
use tokio::runtime::Runtime;

use super::caller::{Acknowledged, Reader, Sender, Shown};
use super::options::Options;
use super::status::{LargestLag, watch};
use crate::latency::Latencies;
use crate::load::customers::{self, CustomerId};
use crate::load::template::Template;

/// How often a caller asks whether an order shows; lags without waiting are this precise.
const DOCUMENTS_EVERY: Duration = Duration::from_millis(2);
const SEARCH_EVERY: Duration = Duration::from_millis(5);
/// An order that does not show by then counts as failed.
const LONGEST: Duration = Duration::from_secs(30);

/// The callers' customers, one each.
pub struct Probes {
    options: Options,
    template: Template,
    customers: Vec<CustomerId>,
}

/// What reads of one view have shown.
#[derive(Debug, Clone)]
pub struct Reads {
    /// From the answer to the order until it shows.
    pub lag: Latencies,
    /// Reads with a token that showed less.
    pub stale: u64,
    /// Reads with a token that were told that the view is behind.
    pub behind: u64,
    /// Reads that failed, or whose order never showed.
    pub failed: u64,
}

impl Reads {
    /// No reads yet.
    pub fn new() -> anyhow::Result<Self> {
        Ok(Reads {
            lag: Latencies::new()?,
            stale: 0,
            behind: 0,
            failed: 0,
        })
    }

    /// Counts a read that must show its order.
    pub fn count(&mut self, shown: Shown, took: Duration) {
        match shown {
            Shown::Whole => self.lag.record(took),
            Shown::Less => self.stale += 1,
            Shown::Behind => self.behind += 1,
            Shown::Failed => self.failed += 1,
        }
    }

    /// Counts what went wrong before, when no time was recorded.
    fn add_faults(&mut self, before: &Reads) {
        self.stale += before.stale;
        self.behind += before.behind;
        self.failed += before.failed;
    }

    /// Adds what another caller has seen.
    pub fn add(&mut self, other: &Reads) -> anyhow::Result<()> {
        self.lag.add(&other.lag)?;
        self.add_faults(other);
        Ok(())
    }
}

/// What a phase has shown of both views.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Reads of the document view.
    pub documents: Reads,
    /// Reads of the search view.
    pub search: Reads,
    /// As `GET /views` told it.
    pub largest_lag: LargestLag,
}

impl Probes {
    /// Creates one customer for each caller.
    pub fn new(runtime: &Runtime, options: &Options) -> anyhow::Result<Self> {
        let load = options.probing()?;
        let template = Template::all(&load)?
            .into_iter()
            .next()
            .context("a template")?;
        let customers = runtime.block_on(customers::create(&load))?;
        Ok(Probes {
            options: options.clone(),
            template,
            customers,
        })
    }

    fn sender(&self, customer: CustomerId) -> Sender {
        Sender::new(&self.options.url, self.template.clone(), customer)
    }

    /// Sends some orders of each customer, for others to read.
    pub async fn orders(&self, each: u32) -> anyhow::Result<Vec<Acknowledged>> {
        let sent = self.customers.iter().map(|customer| async move {
            let mut sender = self.sender(*customer);
            let mut orders = Vec::new();
            for _ in 0..each {
                orders.push(sender.send().await?);
            }
            anyhow::Ok(orders)
        });
        Ok(try_join_all(sent).await?.concat())
    }

    /// Reads with the token.
    pub async fn waiting(&self) -> anyhow::Result<Seen> {
        self.after_warmup(async |deadline| self.wait_until(deadline).await)
            .await
    }

    /// Asks without a token until the order shows.
    pub async fn unaided(&self) -> anyhow::Result<Seen> {
        let look = async |deadline| {
            let callers = self
                .customers
                .iter()
                .map(|customer| self.look_for_each(*customer, deadline));
            self.gather(callers, deadline).await
        };
        self.after_warmup(look).await
    }

    /// Warms up by reads with the token, then measures; what goes wrong counts from the beginning.
    async fn after_warmup(
        &self,
        measure: impl AsyncFnOnce(Instant) -> anyhow::Result<Seen>,
    ) -> anyhow::Result<Seen> {
        let warm = self
            .wait_until(Instant::now() + Duration::from_secs(self.options.warmup))
            .await?;

        let mut seen = measure(Instant::now() + Duration::from_secs(self.options.seconds)).await?;
        ensure!(
            seen.documents.lag.count() > 0 || seen.documents.stale > 0,
            "no order was read"
        );

        seen.documents.add_faults(&warm.documents);
        seen.search.add_faults(&warm.search);

        Ok(seen)
    }

    async fn wait_until(&self, deadline: Instant) -> anyhow::Result<Seen> {
        let callers = self
            .customers
            .iter()
            .map(|customer| self.wait_for_each(*customer, deadline));
        self.gather(callers, deadline).await
    }

    async fn gather(
        &self,
        callers: impl Iterator<Item = impl Future<Output = anyhow::Result<(Reads, Reads)>>>,
        deadline: Instant,
    ) -> anyhow::Result<Seen> {
        let (seen, largest_lag) =
            tokio::try_join!(try_join_all(callers), watch(&self.options.url, deadline))?;

        let (mut documents, mut search) = (Reads::new()?, Reads::new()?);
        for (of_documents, of_search) in seen {
            documents.add(&of_documents)?;
            search.add(&of_search)?;
        }

        Ok(Seen {
            documents,
            search,
            largest_lag,
        })
    }

    /// A reader of the documents and one of the search.
    fn readers(&self) -> (Reader, Reader) {
        let url = &self.options.url;
        (Reader::new(url), Reader::new(url))
    }

    async fn wait_for_each(
        &self,
        customer: CustomerId,
        deadline: Instant,
    ) -> anyhow::Result<(Reads, Reads)> {
        let mut sender = self.sender(customer);

        let (mut to_documents, mut to_search) = self.readers();
        let (mut documents, mut search) = (Reads::new()?, Reads::new()?);

        while Instant::now() < deadline {
            let order = sender.send().await?;
            let acknowledged = Instant::now();
            tokio::try_join!(
                async {
                    let shown = to_documents.document(&order, &order.waiting).await?;
                    documents.count(shown, acknowledged.elapsed());
                    anyhow::Ok(())
                },
                async {
                    let shown = to_search.search(&order, &order.waiting).await?;
                    search.count(shown, acknowledged.elapsed());
                    anyhow::Ok(())
                },
            )?;
            tokio::time::sleep(Duration::from_millis(self.options.pause)).await;
        }

        Ok((documents, search))
    }

    async fn look_for_each(
        &self,
        customer: CustomerId,
        deadline: Instant,
    ) -> anyhow::Result<(Reads, Reads)> {
        let mut sender = self.sender(customer);

        let (mut to_documents, mut to_search) = self.readers();
        let (mut documents, mut search) = (Reads::new()?, Reads::new()?);

        while Instant::now() < deadline {
            let order = &sender.send().await?;
            let acknowledged = Instant::now();
            tokio::try_join!(
                until_shown(&mut documents, acknowledged, DOCUMENTS_EVERY, async || {
                    to_documents.document(order, "").await
                }),
                until_shown(&mut search, acknowledged, SEARCH_EVERY, async || to_search
                    .search(order, "")
                    .await),
            )?;
            tokio::time::sleep(Duration::from_millis(self.options.pause)).await;
        }

        Ok((documents, search))
    }
}

/// Looks again and again until an order shows. Without a token, less is no failure.
async fn until_shown(
    reads: &mut Reads,
    acknowledged: Instant,
    every: Duration,
    mut look: impl AsyncFnMut() -> anyhow::Result<Shown>,
) -> anyhow::Result<()> {
    loop {
        let shown = look().await?;
        if shown == Shown::Whole || shown == Shown::Failed {
            reads.count(shown, acknowledged.elapsed());
            return Ok(());
        }

        if acknowledged.elapsed() > LONGEST {
            reads.failed += 1;
            return Ok(());
        }

        tokio::time::sleep(every).await;
    }
}
