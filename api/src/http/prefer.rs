//! The `Prefer` header (RFC 7240): `wait=N` and `handling=lenient`. Whatever is not understood is
//! ignored, as the RFC demands: other preferences, other values, and what is not written by its
//! grammar.

use std::borrow::Cow;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::HeaderName;

const PREFER: HeaderName = HeaderName::from_static("prefer");

/// How long callers may wait.
#[derive(Clone, Copy, Debug)]
pub struct Waits {
    /// The cap on what a caller asks for.
    pub longest: Duration,
    /// How long a query waits when its caller does not say.
    pub of_reads: Duration,
}

/// What the caller prefers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prefer {
    /// Capped.
    pub wait: Option<Duration>,
    /// Whether a query whose view is behind is answered with what that shows.
    pub lenient: bool,
}

impl Prefer {
    /// What a request asks for in a way that is understood.
    pub fn of(request: &HttpRequest, waits: Waits) -> Prefer {
        let headers = request.headers().get_all(PREFER);
        let texts = headers.map(|value| String::from_utf8_lossy(value.as_bytes()));
        Prefer::parse(texts, waits.longest)
    }

    fn parse(texts: impl Iterator<Item = impl AsRef<str>>, longest: Duration) -> Prefer {
        let (mut wait, mut handling) = (None, None);

        for text in texts {
            for preference in split_unquoted(text.as_ref(), ',') {
                // What follows a semicolon are parameters of the preference; ours have none.
                let preference = split_unquoted(preference, ';').next().unwrap_or_default();
                let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
                let (name, value) = (name.trim(), word(value.trim()));

                // Only the first of several counts, says the RFC.
                if name.eq_ignore_ascii_case("wait") {
                    wait.get_or_insert_with(|| seconds(&value));
                } else if name.eq_ignore_ascii_case("handling") {
                    handling.get_or_insert_with(|| value.eq_ignore_ascii_case("lenient"));
                }
            }
        }

        Prefer {
            wait: wait.flatten().map(|wait| wait.min(longest)),
            lenient: handling.unwrap_or(false),
        }
    }

    /// The `Preference-Applied` header of an answer that honoured these preferences; `None` when
    /// there are none.
    pub fn applied(self) -> Option<String> {
        let wait = self.wait.map(|wait| format!("wait={}", wait.as_secs()));
        let handling = self.lenient.then(|| "handling=lenient".to_owned());
        match (wait, handling) {
            (Some(wait), Some(handling)) => Some(format!("{wait}, {handling}")),
            (wait, handling) => wait.or(handling),
        }
    }
}

/// The parts between separators that stand in no quoted string.
fn split_unquoted(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);

    text.split(move |character| {
        if escaped {
            escaped = false;
            return false;
        }

        match character {
            '\\' => escaped = quoted,
            '"' => quoted = !quoted,
            _ => {}
        }
        !quoted && character == separator
    })
}

/// A token as it is, or what a quoted string says.
fn word(text: &str) -> Cow<'_, str> {
    let quoted = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    match quoted {
        None => Cow::Borrowed(text),
        Some(inner) if !inner.contains('\\') => Cow::Borrowed(inner),
        Some(inner) => {
            let mut characters = inner.chars();
            let unescaped = std::iter::from_fn(|| match characters.next() {
                Some('\\') => characters.next(),
                other => other,
            });
            Cow::Owned(unescaped.collect())
        }
    }
}

/// A whole number of seconds. More digits than a `u64` holds are a wait beyond any cap.
fn seconds(text: &str) -> Option<Duration> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| Duration::from_secs(text.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests;
