//! `counterfoil republish`: events of the services go to their Kafka topics again, from the
//! databases, for those who follow a topic that has lost some.

use std::sync::Arc;

use anyhow::{Context, bail};
use domain::Service;
use serde_json::{Value, json};
use store::ServiceDatabase;
use store::kafka::{OfShard, Republication, Republished, republish};

use super::databases;
use crate::config::Config;
use crate::output;

/// Publishes events of this service again, or of all, with nodes running or none, and prints how
/// many.
///
/// # Errors
/// When one was not acknowledged, or a database does not have all that its topic lacks.
pub fn run(
    config: &Config,
    service: Option<Service>,
    wanted: Republication,
    json: bool,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("no threads to publish with")?;

    let mut lacks = Vec::new();
    let services = domain::SERVICES.into_iter();
    for service in services.filter(|each| service.is_none_or(|service| service == *each)) {
        let published = runtime.block_on(of_service(config, service, wanted))?;
        lacks.extend(lacking(&published));
        let told = match json {
            true => serde_json::to_string(&as_json(&published))?,
            false => described(&published),
        };
        output::print(format!("{told}\n").as_bytes())?;
    }

    if !lacks.is_empty() {
        bail!("{}", lacks.join("; "));
    }
    Ok(())
}

async fn of_service(
    config: &Config,
    service: Service,
    wanted: Republication,
) -> anyhow::Result<Republished> {
    let Some(mut settings) = databases::kafka(config) else {
        bail!("log_url is embedded: there are no topics to publish to; allowed: kafka://host:port");
    };
    settings.node = "republish".to_owned();
    settings.owns.clear();

    let homes = databases::homes(config).into_iter();
    let (schema, home) = homes
        .into_iter()
        .find(|(schema, _)| schema.service == service)
        .with_context(|| format!("{service} has no database"))?;
    let database = home.open_to_read(schema).await?;
    let published = match has_shards(&database, config.shards).await {
        Ok(()) => {
            let tell = Arc::new(output::note);
            republish(settings, &database, wanted, tell)
                .await
                .map_err(anyhow::Error::from)
        }
        Err(error) => Err(error),
    };
    database.close().await;
    published
}

/// With another number events would go to other partitions.
async fn has_shards(database: &ServiceDatabase, expected: u16) -> anyhow::Result<()> {
    let service = database.service;
    match database.shards().await? {
        Some(found) if found == expected => Ok(()),
        Some(found) => bail!("the {service} database has {found} shards, not {expected}"),
        None => bail!("the {service} database does not say how many shards it has"),
    }
}

/// What each shard lacks all the same.
fn lacking(published: &Republished) -> impl Iterator<Item = String> {
    let lacking = |of: &OfShard| of.lacks.map(|lacks| format!("{}: {lacks}", of.shard));
    published.shards.iter().filter_map(lacking)
}

/// `counterfoil.orders.events: 12 events of 3 shards are published again, from orders/0 7 of
/// 2026-11-29T15:00:00Z to …`
fn described(published: &Republished) -> String {
    let topic = &published.topic;
    let spans = published.shards.iter().filter_map(|of| of.span);
    let of_shards = spans.clone().count();
    let (first, last) = (
        spans.clone().map(|(first, _)| first.time).min(),
        spans.map(|(_, last)| last.time).max(),
    );
    let events: u64 = published.shards.iter().map(|of| of.events).sum();

    let mut told = match (first, last) {
        (Some(first), Some(last)) => format!(
            "{topic}: {events} events of {of_shards} shards are published again, from {first} to {last}"
        ),
        _ => format!("{topic}: 0 events are published again, none was missing"),
    };
    for of in &published.shards {
        if let Some((first, last)) = of.span {
            told.push_str(&format!(
                "\n  {}: {} events, sequence {} to {}",
                of.shard, of.events, first.sequence, last.sequence
            ));
        }
    }
    told
}

fn as_json(published: &Republished) -> Value {
    let of_shard = |of: &OfShard| {
        json!({
            "shard": of.shard.to_string(),
            "events": of.events,
            "fromSequence": of.span.map(|(first, _)| first.sequence),
            "toSequence": of.span.map(|(_, last)| last.sequence),
            "from": of.span.map(|(first, _)| first.time.to_string()),
            "to": of.span.map(|(_, last)| last.time.to_string()),
            "lacks": of.lacks.map(|lacks| lacks.to_string()),
        })
    };
    json!({
        "topic": published.topic,
        "events": published.shards.iter().map(|of| of.events).sum::<u64>(),
        "shards": published.shards.iter().map(of_shard).collect::<Vec<_>>(),
    })
}
