//! A collector of traces: takes what a node sends as OTLP over HTTP, and decodes it with the
//! published schema.

use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// Listens as long as the value lives.
pub struct Collector {
    url: String,
    received: Arc<Mutex<Vec<Sent>>>,
    listening: AbortHandle,
}

/// One span, and whose it is.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The span itself.
    pub span: Span,
    service: Vec<KeyValue>,
}

impl Collector {
    /// A collector that takes everything.
    pub async fn start() -> Self {
        Self::answering("200 OK").await
    }

    /// A collector that reads everything and says that it has not taken it.
    pub async fn refusing() -> Self {
        Self::answering("503 Service Unavailable").await
    }

    async fn answering(status: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let received = Arc::<Mutex<Vec<Sent>>>::default();

        let shared = Arc::clone(&received);
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(take(stream, status, Arc::clone(&shared)));
            }
        });
        Self {
            url: format!("http://{address}"),
            received,
            listening: listening.abort_handle(),
        }
    }

    /// Its address, as a node is told.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Everything received so far.
    pub fn received(&self) -> Vec<Sent> {
        let received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        received.clone()
    }

    /// The spans received so far of a trace, which is named in hexadecimal digits.
    pub fn trace(&self, id: &str) -> Vec<Sent> {
        let mut received = self.received();
        received.retain(|sent| hex(&sent.span.trace_id) == id);
        received
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl Sent {
    /// The span's id in hexadecimal digits.
    pub fn id(&self) -> String {
        hex(&self.span.span_id)
    }

    /// The id of the span it belongs to; empty when it began the trace.
    pub fn parent(&self) -> String {
        hex(&self.span.parent_span_id)
    }

    /// An attribute of the span, as text.
    pub fn attribute(&self, key: &str) -> Option<String> {
        text(&self.span.attributes, key)
    }

    /// An attribute of the process that sent it.
    pub fn of_process(&self, key: &str) -> Option<String> {
        text(&self.service, key)
    }
}

fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        other => panic!("{key} is {other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Answers the requests of one connection.
async fn take(stream: TcpStream, status: &str, received: Arc<Mutex<Vec<Sent>>>) {
    let mut stream = BufReader::new(stream);
    while let Some((head, body)) = request(&mut stream).await {
        assert!(head.starts_with("POST /v1/traces HTTP/1.1"), "{head}");
        assert!(head.contains("application/x-protobuf"), "{head}");
        let message = ExportTraceServiceRequest::decode(&*body).expect("what OTLP describes");

        {
            let mut received = received.lock().unwrap_or_else(PoisonError::into_inner);
            for resource in message.resource_spans {
                let service = resource.resource.map(|resource| resource.attributes);
                let spans = resource.scope_spans.into_iter().flat_map(|all| all.spans);
                received.extend(spans.map(|span| Sent {
                    span,
                    service: service.clone().unwrap_or_default(),
                }));
            }
        }
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// The next request: its head and its body. `None` when the client has gone.
async fn request(stream: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).await.ok()? == 0 {
            return None;
        }
    }

    let length = head
        .to_lowercase()
        .lines()
        .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await.ok()?;
    Some((head, body))
}
