//! Traces: the spans of requests, sent to an OpenTelemetry collector as OTLP over HTTP.
//!
//! Spans gather in a bounded queue, and a thread of the SDK sends them in batches. A collector that
//! is down or slow costs spans, never a request: what finds the queue full is dropped.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, anyhow};
use async_trait::async_trait;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use reqwest::{Client, Url};
use tokio::runtime::Handle;

use crate::config::SecretUrl;

const SERVICE: &str = "counterfoil";
/// Where a collector takes traces, below its address.
const PATH: [&str; 2] = ["v1", "traces"];
/// How long a collector may take for a batch.
const SEND_WITHIN: Duration = Duration::from_secs(5);
/// How long a node that ends waits for its last spans to be taken: it has other things to end
/// within its time.
const FLUSH_WITHIN: Duration = Duration::from_secs(2);

/// Sends the spans of this process.
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// Starts the thread that sends spans; the connections are made on `runtime`. It asks nobody
    /// whether the collector is there.
    ///
    /// # Errors
    /// When the system gives no thread or certificates.
    pub fn start(collector: &SecretUrl, node: &str, runtime: &Handle) -> anyhow::Result<Self> {
        let collector = Collector::new(collector, runtime.clone())?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(collector)
            .with_timeout(SEND_WITHIN)
            // The next batch is the next attempt.
            .with_retry_policy(RetryPolicy::disabled())
            .build()
            .context("traces cannot be sent")?;

        let resource = Resource::builder()
            .with_attributes([
                KeyValue::new("service.name", SERVICE),
                KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
                KeyValue::new("service.instance.id", node.to_owned()),
            ])
            .build();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource)
            .build();
        Ok(Traces(provider))
    }

    /// What begins spans.
    pub fn tracer(&self) -> SdkTracer {
        self.0.tracer(SERVICE)
    }

    /// Sends what has gathered, from now on and for a bounded time, whether or not the future is
    /// awaited at once.
    pub fn end(self) -> impl Future<Output = ()> {
        let flushed =
            tokio::task::spawn_blocking(move || self.0.shutdown_with_timeout(FLUSH_WITHIN));
        async move {
            // What has not been taken is lost, and the collector has been told of by then.
            if !matches!(flushed.await, Ok(Ok(()))) {
                tracing::debug!("the last spans are lost");
            }
        }
    }
}

/// The way to the collector, which tells once when nothing gets through any more.
#[derive(Debug)]
struct Collector {
    http: Client,
    url: Url,
    shown: String,
    runtime: Handle,
    is_down: AtomicBool,
}

impl Collector {
    fn new(address: &SecretUrl, runtime: Handle) -> anyhow::Result<Self> {
        let mut url: Url = address
            .expose()
            .parse()
            .context("the collector has no URL")?;
        if !url.path().ends_with("/v1/traces")
            && let Ok(mut path) = url.path_segments_mut()
        {
            path.pop_if_empty().extend(PATH);
        }

        let http = client::http::builder(&url)
            .timeout(SEND_WITHIN)
            .build()
            .map_err(|error| anyhow!("traces cannot be sent: {}", innermost(&error)))?;
        Ok(Collector {
            http,
            url,
            shown: address.to_string(),
            runtime,
            is_down: AtomicBool::new(false),
        })
    }

    fn sent(&self) {
        if self.is_down.swap(false, Ordering::Relaxed) {
            tracing::info!(collector = %self.shown, "traces are taken again");
        }
    }

    fn not_sent(&self, error: &str) {
        if !self.is_down.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                collector = %self.shown, error = %error,
                "traces are not taken and are lost until they are; the node goes on"
            );
        }
    }
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (head, body) = request.into_parts();
        let call = self
            .http
            .post(self.url.clone())
            .headers(head.headers)
            .body(body);

        // The thread that sends has no runtime.
        let call = self.runtime.spawn(async move {
            let answer = call.send().await?;
            let status = answer.status();
            answer.bytes().await.map(|body| (status, body))
        });

        let (status, body) = match call.await? {
            Ok(answer) => answer,
            Err(error) => {
                let error = error.without_url();
                self.not_sent(&innermost(&error));
                return Err(error.into());
            }
        };
        if status.is_success() {
            self.sent();
        } else {
            self.not_sent(&format!("it answers {status}"));
        }
        Ok(Response::builder().status(status).body(body)?)
    }
}

/// The cause that says what happened; the others say only where.
fn innermost(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), innermost)
}
