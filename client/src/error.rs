//! What can go wrong between the command line and a node, by what the person in front of it can do
//! about it.

use std::fmt;

use serde::Deserialize;

/// Every failure of a client command. `Display` is one line that stands alone.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// `--url` is not an address this client can use.
    #[error("url must be http(s)://[USER:PASSWORD@]HOST[:PORT], got {url:?}: {reason}")]
    Url {
        /// The address, with `***` in the place of user and password.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The token for the node cannot be read, or sent.
    #[error("the token of {from} cannot be used: {reason}")]
    Token {
        /// The file or variable that it stands in.
        from: String,
        /// Why, without the token.
        reason: String,
    },
    /// The server at the address cannot be told from anybody else.
    #[error("no safe connection to {url}: {reason}")]
    Unsafe {
        /// The node's address.
        url: String,
        /// The cause, for people.
        reason: String,
    },
    /// Whoever is in front of the node asks for other credentials.
    #[error("{url} {} (status 401)", asked(*given))]
    Credentials {
        /// The node's address.
        url: String,
        /// Some were sent.
        given: bool,
    },
    /// No answer within the patience of the command. The node may or may not have acted.
    #[error(
        "no answer from {url} (tried {} in {seconds:.1} s): {reason}; \
         is a node running there?",
        times(*tries)
    )]
    Unreachable {
        /// The node's address.
        url: String,
        /// How often the call was sent.
        tries: u32,
        /// How long that took.
        seconds: f64,
        /// The cause, for people.
        reason: String,
    },
    /// The node answered with an error.
    #[error("{0}")]
    Refused(Problem),
    /// The answer is not what the contract promises: another version, or no Counterfoil at all.
    #[error("{url} answered in a way this client does not understand: {reason}")]
    Answer {
        /// What was asked: the address of the call, or the name of a header that cannot be
        /// sent.
        url: String,
        /// What is not as promised.
        reason: String,
    },
    /// The file of an import cannot be read (any further).
    #[error("cannot read {path}: {source}")]
    Input {
        /// The file, or standard input.
        path: String,
        /// Why it cannot be read.
        source: std::io::Error,
    },
    /// A bad line ended the import; what was in flight has ended, so the import may simply be run
    /// again.
    #[error("import stopped at line {line}: {message}")]
    ImportStopped {
        /// The number of the line, from 1.
        line: u64,
        /// What is wrong with it.
        message: String,
    },
    /// The same, with the file that the line is in.
    #[error("{path}: {source}")]
    InFile {
        /// The file, or standard input.
        path: String,
        /// What is wrong in it.
        source: Box<ClientError>,
    },
    /// A saga did not end within the time its caller was ready to wait.
    #[error("{what} is still {state} after {seconds} s; see `counterfoil sagas list`")]
    StillPending {
        /// The order or saga that is waited for.
        what: String,
        /// The state it was last seen in.
        state: String,
        /// How long its caller has waited.
        seconds: u64,
    },
    /// `explain` found nothing under the id.
    #[error("no order, customer or saga has the id {0}")]
    UnknownId(String),
    /// The result cannot be written.
    #[error("cannot write the result: {0}")]
    Output(#[source] std::io::Error),
}

impl ClientError {
    /// Whether the same call may succeed later by itself.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::StillPending { .. } => true,
            Self::Refused(problem) => problem.status >= 500,
            _ => false,
        }
    }

    /// The status of a refusal, when it is one.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused(problem) => Some(problem.status),
            Self::Credentials { .. } => Some(401),
            _ => None,
        }
    }
}

fn asked(given: bool) -> &'static str {
    if given {
        "refuses these credentials"
    } else {
        "asks for credentials: set COUNTERFOIL_URL=https://USER:PASSWORD@HOST, or COUNTERFOIL_TOKEN"
    }
}

fn times(tries: u32) -> String {
    match tries {
        1 => "once".to_owned(),
        tries => format!("{tries} times"),
    }
}

/// An `application/problem+json` body (RFC 9457), or what could be made of an answer without one.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Problem {
    /// The kind of problem, a URN.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong this time.
    pub detail: Option<String>,
    /// The fields at fault; empty unless the request was invalid.
    pub errors: Vec<FieldError>,
}

/// One field the node refused.
#[derive(Debug, Clone, Deserialize)]
pub struct FieldError {
    /// The path of the field.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

impl Problem {
    /// Reads the body of an error answer; a body that is no problem document leaves the status
    /// alone to speak.
    pub(crate) fn read(status: u16, body: &[u8]) -> Self {
        let mut problem: Self = serde_json::from_slice(body).unwrap_or_default();
        problem.status = status;
        problem
    }

    /// Whether nothing is known of it besides its status: it comes from no node.
    pub(crate) fn is_bare(&self) -> bool {
        self.kind.is_empty()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.detail, self.title.as_str()) {
            (Some(detail), _) if !detail.is_empty() => out.write_str(detail)?,
            (_, "") => write!(out, "the node answered without a reason")?,
            (_, title) => out.write_str(title)?,
        }
        let mut separator = ": ";
        for error in &self.errors {
            let told = format!("{} {}", error.field, error.message);
            let named = format!("{}: {}", error.field, error.message);
            // A node's detail names the first few of them itself.
            let is_told = |detail: &String| detail.contains(&told) || detail.contains(&named);
            if self.detail.as_ref().is_some_and(is_told) {
                continue;
            }
            write!(out, "{separator}{told}")?;
            separator = ", ";
        }
        write!(out, " (status {})", self.status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_names_its_fields_and_its_status_in_one_line() {
        let body = br#"{"type":"about:blank","title":"Bad Request","status":400,
            "detail":"the order is invalid",
            "errors":[{"field":"lines[0].quantity","message":"must be 1 or more"},
                {"field":"note","message":"is too long"}]}"#;
        assert_eq!(
            Problem::read(400, body).to_string(),
            "the order is invalid: lines[0].quantity must be 1 or more, note is too long \
             (status 400)"
        );
    }

    #[test]
    fn what_the_detail_says_is_not_said_again() {
        let body = br#"{"status":400,"detail":"id must be a UUID; state must be one of A, B",
            "errors":[{"field":"id","message":"must be a UUID"},
                {"field":"state","message":"must be one of A, B"},
                {"field":"limit","message":"is too large"}]}"#;
        assert_eq!(
            Problem::read(400, body).to_string(),
            "id must be a UUID; state must be one of A, B: limit is too large (status 400)"
        );
    }

    #[test]
    fn an_answer_without_a_problem_document_still_makes_a_line() {
        assert_eq!(
            Problem::read(502, b"<html>").to_string(),
            "the node answered without a reason (status 502)"
        );
    }
}
