//! An answer as a test sees it: status, headers, JSON, and the checks every module shares.

use jiff::Timestamp;
use reqwest::header::HeaderMap;
use serde_json::Value;

/// One HTTP answer, read to its end.
#[derive(Debug, Clone)]
pub struct Response {
    /// What was asked, for the messages of failed assertions.
    pub call: String,
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as it came.
    pub text: String,
    /// `Null` when the body is not JSON.
    pub json: Value,
}

impl Response {
    pub(crate) async fn read(call: String, response: reqwest::Response) -> anyhow::Result<Self> {
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let text = response.text().await?;
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Ok(Self {
            call,
            status,
            headers,
            text,
            json,
        })
    }

    /// Asserts the status and gives the answer back.
    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}: {}", self.call, self.text);
        self
    }

    /// A header's value; empty when it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// The consistency token, which every command and query answers with.
    #[track_caller]
    pub fn token(&self) -> String {
        let token = self.header("consistency-token");
        assert!(!token.is_empty(), "{}: no Consistency-Token", self.call);
        assert!(
            token.len() <= 2048,
            "{}: a token of {} bytes",
            self.call,
            token.len()
        );
        token.to_owned()
    }

    /// A text field of the body.
    #[track_caller]
    pub fn str(&self, field: &str) -> &str {
        match self.json[field].as_str() {
            Some(text) => text,
            None => panic!("{}: no text `{field}` in {}", self.call, self.text),
        }
    }

    /// The list a page holds, e.g. `orders`.
    #[track_caller]
    pub fn items(&self, field: &str) -> &[Value] {
        match self.json[field].as_array() {
            Some(items) => items,
            None => panic!("{}: no list `{field}` in {}", self.call, self.text),
        }
    }

    /// One text field of every item of a page.
    #[track_caller]
    pub fn each(&self, list: &str, field: &str) -> Vec<String> {
        self.items(list)
            .iter()
            .map(|item| item[field].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// The cursor of the next page, if there is one.
    pub fn next(&self) -> Option<&str> {
        self.json["next"].as_str()
    }

    /// Asserts a problem of RFC 9457 with this status.
    #[track_caller]
    pub fn is_problem(&self, status: u16) {
        assert_eq!(self.status, status, "{}: {}", self.call, self.text);

        let content_type = self.header("content-type");
        assert!(
            content_type.starts_with("application/problem+json"),
            "{}: {content_type}",
            self.call
        );

        for field in ["type", "title", "detail"] {
            assert!(
                self.json[field].is_string(),
                "{}: no `{field}` in {}",
                self.call,
                self.text
            );
        }

        assert_eq!(self.json["status"], status, "{}: {}", self.call, self.text);
    }

    /// Asserts a `400` that names a field, in `errors` (nested fields may be written as a path) or,
    /// when the body could not be read that far, in the detail.
    #[track_caller]
    pub fn is_invalid(&self, field: &str) {
        self.is_problem(400);

        let errors = self.json["errors"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();

        for error in errors {
            assert!(
                error["field"].is_string() && error["message"].is_string(),
                "{}: {}",
                self.call,
                self.text
            );
        }

        let in_errors = errors.iter().any(|error| {
            error["field"]
                .as_str()
                .is_some_and(|name| name.contains(field))
        });

        let in_detail = self.json["detail"]
            .as_str()
            .is_some_and(|detail| detail.contains(field));

        assert!(
            in_errors || in_detail,
            "{}: `{field}` is not named in {}",
            self.call,
            self.text
        );
    }

    /// Asserts the headers every answer to a command carries; the `ETag` is the version of the
    /// body.
    #[track_caller]
    pub fn is_command_answer(&self) {
        let version = self.json["version"].as_u64();
        assert!(
            version.is_some_and(|version| version >= 1),
            "{}: no version in {}",
            self.call,
            self.text
        );
        let etag = format!("\"{}\"", version.unwrap_or_default());
        assert_eq!(self.header("etag"), etag, "{}: ETag", self.call);
        self.token();
    }
}

/// An amount of money in cents, so that `12.3` and `12.30` compare equal. The contract writes
/// amounts as text.
#[track_caller]
pub fn cents(money: &Value) -> i64 {
    let Some(amount) = money["amount"].as_str() else {
        panic!("not an amount of money: {money}")
    };
    let (whole, fraction) = amount.split_once('.').unwrap_or((amount, ""));
    assert!(fraction.len() <= 2, "more than two decimals: {amount}");
    format!("{whole}{fraction:0<2}")
        .parse()
        .unwrap_or_else(|_| panic!("not a decimal: {amount}"))
}

/// A time of the contract: RFC 3339 in UTC.
#[track_caller]
pub fn time(value: &Value) -> Timestamp {
    let Some(text) = value.as_str() else {
        panic!("not a time: {value}")
    };
    assert!(text.ends_with('Z'), "not in UTC: {text}");
    text.parse()
        .unwrap_or_else(|_| panic!("not RFC 3339: {text}"))
}
