//! The `Prefer` header (RFC 7240): `wait=N` and `handling=lenient`. Other preferences are ignored,
//! as the RFC demands.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::HeaderName;

use super::Problem;

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
    pub lenient: bool,
}

impl Prefer {
    /// # Errors
    /// A wait that is no number of seconds.
    pub fn of(request: &HttpRequest, waits: Waits) -> Result<Prefer, Problem> {
        let mut headers = request.headers().get_all(PREFER).peekable();
        if headers.peek().is_none() {
            return Ok(Prefer::default());
        }
        let texts = headers.map(|value| {
            value
                .to_str()
                .map_err(|_| Problem::invalid_field("Prefer", "must be ASCII"))
        });
        Prefer::parse(texts, waits.longest)
    }

    fn parse<'a>(
        texts: impl Iterator<Item = Result<&'a str, Problem>>,
        longest: Duration,
    ) -> Result<Prefer, Problem> {
        let (mut wait, mut handling) = (None, None);

        for text in texts {
            for preference in text?.split(',') {
                // What follows a semicolon are parameters of the preference; ours have none.
                let preference = preference.split(';').next().unwrap_or_default();
                let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
                let (name, value) = (name.trim(), unquoted(value.trim()));
                // The first of several counts, says the RFC.
                if name.eq_ignore_ascii_case("wait") && wait.is_none() {
                    wait = Some(seconds(value)?.min(longest));
                } else if name.eq_ignore_ascii_case("handling") && handling.is_none() {
                    handling = Some(value.eq_ignore_ascii_case("lenient"));
                }
            }
        }

        Ok(Prefer {
            wait,
            lenient: handling.unwrap_or(false),
        })
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

fn unquoted(value: &str) -> &str {
    value
        .strip_prefix('"')
        .and_then(|value| value.strip_suffix('"'))
        .unwrap_or(value)
}

fn seconds(text: &str) -> Result<Duration, Problem> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Problem::invalid_field(
            "Prefer",
            "must have a whole number of seconds as wait, for example wait=10",
        ));
    }
    // More digits than a u64 holds are a wait beyond any cap.
    Ok(Duration::from_secs(text.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(texts: &[&str]) -> Result<Prefer, Problem> {
        Prefer::parse(texts.iter().map(|text| Ok(*text)), Duration::from_secs(30))
    }

    fn wait(seconds: u64) -> Option<Duration> {
        Some(Duration::from_secs(seconds))
    }

    #[test]
    fn both_preferences_are_read_in_every_spelling() {
        let both = Prefer {
            wait: wait(5),
            lenient: true,
        };

        for texts in [
            &["wait=5, handling=lenient"][..],
            &["handling=lenient", "wait=5"],
            &["WAIT = \"5\" , Handling=LENIENT"],
            &["respond-async, wait=5;x=1", "handling=\"lenient\", wait=9"],
        ] {
            assert_eq!(parse(texts).unwrap(), both, "{texts:?}");
        }

        assert_eq!(
            parse(&["return=minimal", "handling=strict"]).unwrap(),
            Prefer::default()
        );
    }

    #[test]
    fn a_wait_is_capped() {
        assert_eq!(parse(&["wait=31"]).unwrap().wait, wait(30));
        assert_eq!(
            parse(&["wait=99999999999999999999999"]).unwrap().wait,
            wait(30)
        );
        assert_eq!(parse(&["wait=0"]).unwrap().wait, wait(0));
    }

    #[test]
    fn a_wait_that_is_no_number_of_seconds_is_refused() {
        for text in [
            "wait",
            "wait=",
            "wait=-1",
            "wait=1.5",
            "wait=soon",
            "wait=+1",
        ] {
            assert!(parse(&[text]).is_err(), "{text}");
        }
    }

    #[test]
    fn what_was_applied_is_told() {
        assert_eq!(
            parse(&["wait=5,handling=lenient"])
                .unwrap()
                .applied()
                .as_deref(),
            Some("wait=5, handling=lenient")
        );
        assert_eq!(Prefer::default().applied(), None);
    }
}
