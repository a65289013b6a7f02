//! The routes over a double, called as over HTTP, and an answer with the checks that all tests
//! share.

use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::dev::ServiceResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use actix_web::test;
use actix_web::test::TestRequest;
use actix_web::web::Data;
use clap::Parser;
use serde_json::Value;
use tokio::sync::watch;

use super::Double;
use crate::config::{Config, SettingFlags};
use crate::http::{Api, application};
use crate::ports::{CommandPorts, Ports, ReadPorts};
use crate::shutdown::Phase;
use crate::telemetry::Telemetry;

/// An answer, read to its end.
pub struct Response {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
    pub json: Value,
}

impl Response {
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// Asserts that this is a problem of this status.
    #[track_caller]
    pub fn is_problem(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.json["status"], status);
        assert!(
            self.json["type"]
                .as_str()
                .unwrap()
                .starts_with("urn:counterfoil:problem:")
        );
        assert!(self.json["title"].is_string() && self.json["detail"].is_string());
        self
    }

    /// The fields that a `400` names.
    #[track_caller]
    pub fn fields(&self) -> Vec<&str> {
        self.is_problem(400);
        self.json["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|error| error["field"].as_str().unwrap())
            .collect()
    }
}

pub fn config(environment: &[&str]) -> Config {
    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        flags: SettingFlags,
    }
    Config::load(&Line::parse_from([&["x"][..], environment].concat()).flags).unwrap()
}

/// An application over the double, and the means to end it.
pub struct Node {
    pub double: Arc<Double>,
    pub shutdown: watch::Sender<Phase>,
    pub api: Data<Api>,
}

impl Node {
    pub fn new() -> Self {
        Node::with(&[])
    }

    pub fn with(flags: &[&str]) -> Self {
        Node::watched(flags, Telemetry::default())
    }

    /// With metrics or traces of the test's own.
    pub fn watched(flags: &[&str], telemetry: Telemetry) -> Self {
        let double = Arc::new(Double::default());
        let ports = Ports {
            commands: CommandPorts {
                commands: double.clone(),
                bulk: double.clone(),
                views: double.clone(),
            },
            reads: ReadPorts {
                queries: double.clone(),
                history: double.clone(),
                sagas: double.clone(),
                actions: double.clone(),
                quarantine: double.clone(),
                cluster: double.clone(),
                views: double.clone(),
                health: double.clone(),
            },
        };

        let (shutdown, ending) = watch::channel(Phase::Running);

        Node {
            double,
            shutdown,
            api: Data::new(Api::new(ports, &config(flags), telemetry, ending)),
        }
    }

    pub async fn call(&self, request: TestRequest) -> Response {
        let app = test::init_service(application(self.api.clone())).await;
        let response = test::call_service(&app, request.to_request()).await;
        read(response).await
    }

    pub async fn get(&self, uri: &str) -> Response {
        self.call(TestRequest::get().uri(uri)).await
    }

    /// Posts a JSON text, with headers.
    pub async fn post(&self, uri: &str, body: &str, headers: &[(&'static str, &str)]) -> Response {
        let mut request = TestRequest::post().uri(uri).set_payload(body.to_owned());
        if !body.is_empty() {
            request = request.insert_header(("content-type", "application/json"));
        }
        for (name, value) in headers {
            request = request.append_header((*name, *value));
        }
        self.call(request).await
    }
}

async fn read<B: MessageBody>(response: ServiceResponse<B>) -> Response {
    let (status, headers) = (response.status(), response.headers().clone());
    let bytes = test::read_body(response).await;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let json = serde_json::from_str(&text).unwrap_or(Value::Null);
    Response {
        status,
        headers,
        text,
        json,
    }
}
