//! The customers of a run: created at its start through the public API, so that each run begins
//! from a known state.

use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, bail};
use futures_util::future::try_join_all;
use serde::Deserialize;

use super::connection::Connection;
use super::options::Options;

/// Connections that create customers at the same time.
const CONNECTIONS: u32 = 64;
const TIMEOUT: Duration = Duration::from_secs(30);
/// How often a busy server is asked again for one customer.
const ATTEMPTS: u32 = 20;

/// A customer's id as it stands in JSON and in paths: 36 characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CustomerId([u8; 36]);

impl CustomerId {
    /// The id as ASCII.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for CustomerId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        let mut bytes = [0; 36];
        uuid::Uuid::parse_str(text)?
            .hyphenated()
            .encode_lower(&mut bytes);
        Ok(CustomerId(bytes))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Created<'a> {
    customer_id: &'a str,
}

/// Creates the customers of a run, in no particular order.
pub async fn create(options: &Options) -> anyhow::Result<Vec<CustomerId>> {
    let connections = CONNECTIONS.min(options.customers);
    let shares = (0..connections).map(|first| async move {
        let mut connection = Connection::new(options.url.of(first), TIMEOUT);
        let mut share = Vec::new();
        let mut number = first;
        while number < options.customers {
            share.push(create_one(options, &mut connection, number).await?);
            number += connections;
        }
        anyhow::Ok(share)
    });
    Ok(try_join_all(shares).await?.concat())
}

async fn create_one(
    options: &Options,
    connection: &mut Connection,
    number: u32,
) -> anyhow::Result<CustomerId> {
    let body = format!(
        r#"{{"name":"Load {number}","creditLimit":{{"amount":"{}"}}}}"#,
        options.credit_limit
    );

    let request = format!(
        "POST /customers HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        options.url.of(number).authority,
        body.len()
    );

    for _ in 0..ATTEMPTS {
        let answer = connection
            .exchange(request.as_bytes())
            .await
            .context("cannot create the customers")?;
        match answer.status() {
            201 => {
                let created: Created<'_> =
                    serde_json::from_slice(answer.body()).context("unreadable new customer")?;
                return created
                    .customer_id
                    .parse()
                    .context("customerId of a new customer is not a UUID");
            }
            503 => tokio::time::sleep(Duration::from_millis(250)).await,
            status => bail!(
                "cannot create a customer: {status} {}",
                String::from_utf8_lossy(answer.body())
            ),
        }
    }

    bail!("cannot create the customers: the server is busy")
}
