//! Puts what holds of many routes into the document in one place: which problems they answer, what
//! a status means, and the headers of answers. A route's own annotation takes precedence.

use utoipa::Modify;
use utoipa::openapi::path::{HttpMethod, Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{
    Content, Header, HeaderBuilder, Object, OpenApi, Ref, RefOr, Response, Type,
};

/// Completes each operation of the document.
pub struct Rules;

impl Modify for Rules {
    fn modify(&self, document: &mut OpenApi) {
        // Nobody has to say who they are. The empty list says so; without it, a reader cannot tell.
        document.security = Some(Vec::new());

        for (path, item) in &mut document.paths.paths {
            let operations = [
                (HttpMethod::Get, &mut item.get),
                (HttpMethod::Post, &mut item.post),
                (HttpMethod::Put, &mut item.put),
                (HttpMethod::Delete, &mut item.delete),
            ];
            for (method, operation) in operations {
                if let Some(operation) = operation {
                    complete(path, &method, operation);
                }
            }
        }
    }
}

fn complete(path: &str, method: &HttpMethod, operation: &mut Operation) {
    for parameter in operation.parameters.iter_mut().flatten() {
        if let RefOr::T(parameter) = parameter
            && parameter.description.is_none()
        {
            parameter.description = named_in(path, &parameter.name).map(str::to_owned);
        }
    }

    let on_success = headers(path, method, operation);
    let shows = shows_entities(path, method);
    if shows {
        let parameters = operation.parameters.get_or_insert_default();
        parameters.extend(conditions().map(Into::into));
    }

    let responses = &mut operation.responses.responses;
    if shows {
        responses.insert("304".to_owned(), Response::new("").into());
    }
    for status in problems(path, method) {
        responses
            .entry(status.to_owned())
            .or_insert_with(|| Response::new("").into());
    }

    for (status, response) in responses {
        let RefOr::T(response) = response else {
            continue;
        };
        if response.description.is_empty() {
            meaning(status).clone_into(&mut response.description);
        }
        if status.starts_with(['2', '3']) {
            response.headers.extend(on_success.clone());
        } else {
            let body = Content::new(Some(Ref::from_schema_name("Problem")));
            response
                .content
                .insert("application/problem+json".to_owned(), body.into());
        }
        let own = match status.as_str() {
            "201" => header("Location", "Where the new entity is"),
            "503" => header(
                "Retry-After",
                "After how many seconds it is worth trying again",
            ),
            _ => continue,
        };
        response.headers.extend([own]);
    }
}

/// What a part of a path names, where the route does not say.
fn named_in(path: &str, part: &str) -> Option<&'static str> {
    let named = match (part, path.split('/').nth(1)?) {
        ("id", "customers") => "The customer",
        ("id", "orders") => "The order",
        ("id", "sagas") => "The saga",
        ("id", "quarantine") => "The parked message",
        ("id", "views") => "The customer or order",
        ("name", "views") => "The view, as `GET /views` names it",
        _ => return None,
    };
    Some(named)
}

/// Whether a path is one of the entities that commands change: such a command is bound to its key,
/// and tells a version.
fn of_entities(path: &str) -> bool {
    ["/customers", "/orders", "/sagas"]
        .iter()
        .any(|prefix| path.starts_with(prefix))
}

/// Whether a command is about many things, so that there is no version to tell of.
fn of_many(path: &str) -> bool {
    path.ends_with("/bulk")
}

/// Whether a route shows customers or orders, so that it has an `ETag` and a token. Sagas come from
/// the service's own database, which no token covers.
fn shows_entities(path: &str, method: &HttpMethod) -> bool {
    *method == HttpMethod::Get && of_entities(path) && !path.starts_with("/sagas")
}

/// The conditions under which a caller wants an answer.
fn conditions() -> impl Iterator<Item = Parameter> {
    let conditions = [
        (
            "If-None-Match",
            "The `ETag` of an earlier answer: when nothing has changed, the answer is `304`",
        ),
        (
            "If-Match",
            "The `ETag` of an earlier answer: when something has changed, the answer is `412`",
        ),
    ];

    conditions.into_iter().map(|(name, meaning)| {
        ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Header)
            .description(Some(meaning))
            .schema(Some(Object::with_type(Type::String)))
            .build()
    })
}

/// Whether a command is bound to its key though it is none on an entity: it is about a view, or
/// about a parked message.
fn binds_its_key(path: &str) -> bool {
    path.starts_with("/views") || path.starts_with("/quarantine")
}

/// The problems that a route answers, besides those that are its own.
fn problems(path: &str, method: &HttpMethod) -> impl Iterator<Item = &'static str> {
    let works = !path.starts_with("/health/") && path != "/metrics";
    let posts = matches!(method, HttpMethod::Post | HttpMethod::Put);
    let changes = posts || *method == HttpMethod::Delete;

    let all = [
        ("400", works),
        ("403", true),
        ("404", path.contains('{')),
        ("408", changes),
        ("412", shows_entities(path, method)),
        ("413", changes),
        ("415", changes),
        (
            "422",
            (posts && of_entities(path)) || (changes && binds_its_key(path)),
        ),
        ("500", works),
        ("503", works),
    ];
    all.into_iter()
        .filter_map(|(status, occurs)| occurs.then_some(status))
}

/// What a status means where the route does not say.
pub fn meaning(status: &str) -> &'static str {
    match status {
        "200" => "What was asked for",
        "201" => "Created",
        "202" => "Accepted; it is done soon",
        "304" => "The caller has it already, by its ETag",
        "400" => "The request cannot be read, or something in it is unknown or not allowed",
        "403" => {
            "The node may not be called by the host of the request, or the web page that sends it \
             may change nothing here"
        }
        "404" => "There is none",
        "408" => "The body has not arrived in time",
        "412" => "What is shown has another ETag than If-Match names",
        "413" => "The body is larger than 64 KiB, or that of a new order than 1 MiB",
        "415" => "The body is not sent as JSON, or coded in another way than gzip",
        "422" => "The Idempotency-Key was used with another request",
        "500" => "It failed; a command may be repeated with its Idempotency-Key",
        "503" => {
            "Overloaded, too many callers wait, a store does not answer, \
             or the view is behind or not ready"
        }
        _ => "Another answer",
    }
}

/// The headers of every answer of a route that succeeds.
fn headers(path: &str, method: &HttpMethod, operation: &Operation) -> Vec<(String, RefOr<Header>)> {
    let reads = |wanted: &str| {
        operation
            .parameters
            .iter()
            .flatten()
            .any(|one| matches!(one, RefOr::T(one) if one.name == wanted))
    };

    let commands = *method == HttpMethod::Post && of_entities(path) && !of_many(path);
    let queries = shows_entities(path, method);

    let all = [
        (commands, "ETag", "The entity's version, in quotes"),
        (queries, "ETag", "Changes when the body does"),
        (
            commands || queries,
            "Consistency-Token",
            "Opaque: a query sent with it shows at least what this answer tells of",
        ),
        (
            reads("Consistency-Token"),
            "Consistency",
            "`stale` when the view is behind, and `handling=lenient` let it answer",
        ),
        (
            reads("Prefer"),
            "Preference-Applied",
            "What of `Prefer` was honoured, if anything",
        ),
    ];

    all.into_iter()
        .filter(|(occurs, ..)| *occurs)
        .map(|(_, name, meaning)| header(name, meaning))
        .collect()
}

fn header(name: &str, meaning: &str) -> (String, RefOr<Header>) {
    let header = HeaderBuilder::new()
        .schema(Some(Object::with_type(Type::String)))
        .description(Some(meaning));
    (name.to_owned(), header.build().into())
}
