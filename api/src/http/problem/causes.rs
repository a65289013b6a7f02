//! Which problem each cause becomes, errors of ports among them.

use std::borrow::Cow;
use std::time::Duration;

use actors::CommandError;

use super::kind::Kind;
use super::{FieldError, Problem};
use crate::ports::{Behind, BulkError, ReadError};

const STORE_DOES_NOT_ANSWER: &str =
    "the store does not answer; repeat the command with its Idempotency-Key";

impl Problem {
    /// The request cannot be read at all.
    pub fn malformed(detail: impl Into<Cow<'static, str>>) -> Self {
        Problem::new(Kind::Malformed, detail)
    }

    /// Fields, parameters or headers with values that are not allowed.
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let detail = errors
            .iter()
            .map(|error| format!("{}: {}", error.field, error.message))
            .take(5);
        let detail = detail.collect::<Vec<_>>().join("; ");

        let mut problem = Problem::new(Kind::Invalid, detail);
        problem.0.errors = errors;

        problem
    }

    /// One field, parameter or header with a value that is not allowed.
    pub fn invalid_field(field: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Problem::invalid(vec![FieldError::new(field, message)])
    }

    /// The client calls the node by a name that is none of its own.
    pub fn host_not_allowed() -> Self {
        let detail = "this node does not answer to the host that the request names; \
                      allowed_hosts (COUNTERFOIL_ALLOWED_HOSTS) are those it answers to";
        Problem::new(Kind::HostNotAllowed, detail)
    }

    /// A web page from elsewhere wants to change something.
    pub fn origin_not_allowed() -> Self {
        let detail = "pages from this origin may change nothing here; \
                      allowed_origins (COUNTERFOIL_ALLOWED_ORIGINS) are those that may";
        Problem::new(Kind::OriginNotAllowed, detail)
    }

    /// There is none of what the path names.
    pub fn not_found(what: &str) -> Self {
        Problem::new(Kind::NotFound, format!("there is no such {what}"))
    }

    /// The resource has no such method; `allow` are those it has.
    pub fn method_not_allowed(allow: &'static str) -> Self {
        let detail = format!("allowed here: {allow}");
        let mut problem = Problem::new(Kind::MethodNotAllowed, detail);
        problem.0.allow = Some(allow);
        problem
    }

    /// The state of what is asked for does not allow it.
    pub fn conflict(detail: impl Into<Cow<'static, str>>) -> Self {
        Problem::new(Kind::Conflict, detail)
    }

    /// What the caller takes for the present state is not.
    pub fn precondition_failed() -> Self {
        let detail = "what is shown now has another ETag than If-Match names";
        Problem::new(Kind::PreconditionFailed, detail)
    }

    /// The key came with another request before.
    pub fn key_reused() -> Self {
        let detail = "this Idempotency-Key was used with another request";
        Problem::new(Kind::KeyReused, detail)
    }

    /// The body has more bytes than the command takes.
    pub fn too_large(limit: usize) -> Self {
        let detail = format!("the body must be at most {limit} bytes");
        Problem::new(Kind::TooLarge, detail)
    }

    /// The connection is of no more use: what still comes in on it is the rest of the body.
    pub fn too_slow(limit: Duration) -> Self {
        let detail = format!("the body must arrive within {} s", limit.as_secs());
        let mut problem = Problem::new(Kind::TooSlow, detail);
        problem.0.closes = true;
        problem
    }

    /// The head of the request has not arrived in time.
    pub fn head_too_slow() -> Self {
        Problem::new(
            Kind::TooSlow,
            "the head of the request has not arrived in time",
        )
    }

    /// The head of the request has more bytes than the server takes.
    pub fn head_too_large() -> Self {
        Problem::new(
            Kind::HeadTooLarge,
            "the path and the headers together are too large",
        )
    }

    /// The body is not sent as JSON.
    pub fn unsupported_media_type() -> Self {
        let detail = "the body must be JSON, sent as content type application/json";
        Problem::new(Kind::UnsupportedMediaType, detail)
    }

    /// The body is coded in a way that is not known here.
    pub fn unsupported_encoding() -> Self {
        let detail = "the body must be sent as it is, or as content encoding gzip";
        Problem::new(Kind::UnsupportedEncoding, detail)
    }

    /// More is asked for at a time than the node takes.
    pub fn overloaded() -> Self {
        let detail = "too much work is waiting; try again later";
        Problem::new(Kind::Overloaded, detail)
    }

    /// Callers that wait are bounded over all, and by what they wait for.
    pub fn too_many_wait() -> Self {
        let detail = "too many callers wait for the same already, or over all; \
                      ask without Prefer: wait, or try again later";
        Problem::new(Kind::TooManyWait, detail)
    }

    /// A command whose fate is not known yet.
    pub fn not_in_time() -> Self {
        Problem::unavailable(STORE_DOES_NOT_ANSWER)
    }

    /// The node ends, and takes in no more of the request. The connection is of no more use.
    pub fn ending() -> Self {
        let mut problem = Problem::unavailable("the node is ending; try again");
        problem.0.closes = true;
        problem
    }

    /// Something that is needed does not answer; it is worth trying again.
    pub fn unavailable(detail: impl Into<Cow<'static, str>>) -> Self {
        Problem::new(Kind::Unavailable, detail)
    }

    /// The node does not take part in what is asked for.
    pub fn not_taken() -> Self {
        Problem::unavailable(
            "this node takes no requests, because its roles (COUNTERFOIL_ROLES) are without api; \
             ask another one",
        )
    }

    fn not_shown(view: &str) -> Self {
        Problem::unavailable(format!(
            "this node shows no {view} view: its roles (COUNTERFOIL_ROLES) are without projections, \
             and the view is on no server, where another node could feed it"
        ))
    }

    /// It failed, and no caller can do anything about it.
    pub fn internal() -> Self {
        let detail = "the request failed; a command may be repeated with its Idempotency-Key";
        Problem::new(Kind::Internal, detail)
    }

    /// A query that asks for more than the view finds in the time that queries have.
    fn query_timed_out(view: &str) -> Self {
        let detail = format!(
            "the {view} view has given the query up, which takes too long; ask for less, as with \
             longer prefixes, or try again later"
        );
        Problem::new(Kind::QueryTimedOut, detail)
    }

    fn foreign_token() -> Self {
        let detail = "the Consistency-Token was given out by another deployment; \
                      ask without it, or ask the deployment that it is from";
        Problem::new(Kind::ForeignToken, detail)
    }

    fn view_behind(view: &str, behind: Vec<Behind>) -> Self {
        let detail = format!("the {view} view has not reached what the consistency token requires");
        let mut problem = Problem::new(Kind::ViewBehind, detail);
        problem.0.behind = behind;
        problem
    }
}

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::NotFound(what) => Problem::not_found(&what),
            CommandError::Conflict(detail) => Problem::conflict(detail),
            CommandError::KeyReused => Problem::key_reused(),
            CommandError::Overloaded => Problem::overloaded(),
            CommandError::Unavailable => Problem::unavailable(STORE_DOES_NOT_ANSWER),
            CommandError::Failed => Problem::internal(),
        }
    }
}

impl From<BulkError> for Problem {
    fn from(error: BulkError) -> Self {
        match error {
            BulkError::Read(error) => error.into(),
            BulkError::Command(error) => error.into(),
        }
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::NotFound(what) => Problem::not_found(what),
            ReadError::ViewBehind { view, behind } => Problem::view_behind(&view, behind),
            ReadError::Unavailable { view } => Problem::unavailable(format!(
                "the {view} view is not ready, or its store does not answer"
            )),
            ReadError::NotShown { view } => Problem::not_shown(view),
            ReadError::TimedOut { view } => Problem::query_timed_out(&view),
            ReadError::Rebuilding { view } => {
                Problem::unavailable(format!("the {view} view was damaged and is being rebuilt"))
            }
            ReadError::Conflict(detail) => Problem::conflict(detail),
            ReadError::KeyReused => Problem::key_reused(),
            ReadError::StoreUnavailable => Problem::unavailable("the store does not answer"),
            ReadError::InvalidCursor => Problem::invalid_field(
                "cursor",
                "must be the next of an earlier answer to the same query",
            ),
            ReadError::InvalidToken => Problem::invalid_field(
                "Consistency-Token",
                "must be that of an earlier answer, or several joined by ,",
            ),
            ReadError::ForeignToken => Problem::foreign_token(),
            ReadError::InvalidQuery { field, message } => Problem::invalid_field(field, message),
            ReadError::Failed => Problem::internal(),
        }
    }
}
