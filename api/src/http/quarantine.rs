//! The quarantine: messages that no entity could process, parked with those of the same entity that
//! wait behind them.

#[cfg(test)]
mod tests;

use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use actors::ParkedAction;
use domain::{MessageId, Service};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::commands::{self, Asked, Caller, Command, Doors, MAX_REASON_CHARS, Takes};
use super::fields::{Errors, Fields};
use super::meter::{Meter, Meters};
use super::params::{self, Params, path_id};
use super::problem::refuse_other_methods;
use super::sagas::MAX_CAUSE_CHARS;
use super::schema::params::{KeyHeader, PageParams, ParkedParams, ReasonParam};
use super::{Api, Problem, reads, schema};
use crate::ports::{Listed, Parked, ParkedInView, ParkedQuery, QuarantineCause};

/// A wire name has this many characters at most.
pub const MAX_TYPE_CHARS: usize = 200;
/// The largest body of an edit; that of a message is smaller.
const MAX_EDIT_BYTES: usize = 65_536;

const LIST_PARAMS: [&str; 7] = [
    "service",
    "entity",
    "type",
    "cause",
    "olderThan",
    "limit",
    "cursor",
];

/// The routes below `/quarantine`, but for the bulk one.
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(
            web::resource("/quarantine")
                .route(reads::route().to(list))
                .default_service(refuse_other_methods("GET, HEAD")),
        )
        .service(
            web::resource("/quarantine/causes")
                .route(reads::route().to(causes))
                .default_service(refuse_other_methods("GET, HEAD")),
        )
        .service(
            web::resource("/quarantine/{id}")
                .route(reads::route().to(show))
                .route(web::put().to(edit))
                .route(web::delete().to(discard))
                .default_service(refuse_other_methods("DELETE, GET, HEAD, PUT")),
        )
        .service(
            web::resource("/quarantine/{id}/replay")
                .route(web::post().to(replay))
                .default_service(refuse_other_methods("POST")),
        );
}

/// A part of the quarantine.
#[derive(Serialize, ToSchema)]
pub struct ParkedList {
    quarantine: Vec<Parked>,
    /// What views cannot take in: not among the messages, and on the first page only. Heal such an
    /// entity to have it tried again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    views: Vec<ParkedInView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// What is being tried again, or was edited.
#[derive(Serialize, ToSchema)]
pub struct Replayed {
    #[schema(value_type = Uuid)]
    id: MessageId,
}

/// List what is parked
#[utoipa::path(
    get, path = "/quarantine", operation_id = "listQuarantine", tag = "operations",
    params(ParkedParams, PageParams),
    responses((status = 200, description = "Oldest first", body = ParkedList)),
)]
pub async fn list(request: HttpRequest, api: Data<Api>) -> HttpResponse {
    let work = async {
        let mut params = Params::of(&request, &LIST_PARAMS);
        let query = ParkedQuery {
            service: params.named("service", &domain::SERVICES, Service::name),
            entity: params.uuid("entity"),
            message_type: params.text("type", MAX_TYPE_CHARS),
            cause: params.text("cause", MAX_CAUSE_CHARS),
            older_than: params.age("olderThan"),
            page: params.page(),
        };
        let seal = params.seal();
        params.finish()?;
        let views = api.ports.quarantine.in_views(&query);
        let read = api.ports.quarantine.list(query);
        let Listed {
            items: quarantine,
            next,
        } = reads::run(&api, read).await?;
        let next = seal.put_on(next);
        Ok(HttpResponse::Ok().json(ParkedList {
            quarantine,
            views,
            next,
        }))
    };
    api.meters.list_quarantine.watch(&request, work).await
}

/// What is in quarantine, by cause.
#[derive(Serialize, ToSchema)]
pub struct CauseList {
    causes: Vec<QuarantineCause>,
}

/// Count what is in quarantine by its causes
#[utoipa::path(
    get, path = "/quarantine/causes", operation_id = "listQuarantineCauses", tag = "operations",
    responses((status = 200, description = "That of most messages first", body = CauseList)),
)]
pub async fn causes(request: HttpRequest, api: Data<Api>) -> HttpResponse {
    let work = async {
        params::none(&request)?;
        let causes = reads::run(&api, api.ports.quarantine.causes()).await?;
        Ok(HttpResponse::Ok().json(CauseList { causes }))
    };
    api.meters.quarantine_causes.watch(&request, work).await
}

/// Show a parked message and the cause
#[utoipa::path(
    get, path = "/quarantine/{id}", operation_id = "showQuarantined", tag = "operations",
    params(("id" = Uuid, Path)),
    responses((status = 200, body = Parked)),
)]
pub async fn show(request: HttpRequest, api: Data<Api>) -> HttpResponse {
    let work = async {
        params::none(&request)?;
        let id = MessageId(path_id(&request)?);
        let parked = reads::run(&api, api.ports.quarantine.show(id)).await?;
        Ok(HttpResponse::Ok().json(parked))
    };
    api.meters.show_quarantined.watch(&request, work).await
}

/// Try a parked message, and those behind it, again
///
/// A message is processed once however often it is replayed; a repeat under the same key is
/// answered alike when the message is gone.
#[utoipa::path(
    post, path = "/quarantine/{id}/replay", operation_id = "replayQuarantined", tag = "operations",
    params(("id" = Uuid, Path), KeyHeader),
    request_body(content = Option<schema::OperatorReason>),
    responses(
        (status = 202, body = Replayed),
        (status = 409, description = "It waits behind another message of its entity"),
    ),
)]
pub async fn replay(request: HttpRequest, api: Data<Api>, payload: Payload) -> HttpResponse {
    commands::run::<Replay>(request, api, payload).await
}

struct Replay {
    id: MessageId,
    reason: Option<String>,
}

impl Command for Replay {
    const TAKES: Takes = Takes::AtMostAnObject;

    type Effect = MessageId;

    fn meter(meters: &Meters) -> &Meter {
        &meters.replay_quarantined
    }

    fn read(asked: &Asked<'_>, body: Fields<'_>) -> Result<Self, Problem> {
        let reason = commands::reason(body)?;
        let id = MessageId(asked.id()?);
        Ok(Replay { id, reason })
    }

    fn value(&self) -> impl Serialize {
        &self.reason
    }

    async fn carry_out(self, doors: &Doors, caller: Caller) -> Result<MessageId, Problem> {
        let Replay { id, reason } = self;
        let by = caller.as_operator(reason);
        let commands = doors.commands();
        commands
            .operate_parked(id, ParkedAction::Replay, by, caller.binding)
            .await?;
        Ok(id)
    }

    async fn answer(id: MessageId, _: &Asked<'_>) -> Result<HttpResponse, Problem> {
        Ok(HttpResponse::Accepted().json(Replayed { id }))
    }
}

/// Give a parked message another body
///
/// It waits on until it is replayed. The former body stays in what operators have done to it.
#[utoipa::path(
    put, path = "/quarantine/{id}", operation_id = "editQuarantined", tag = "operations",
    params(("id" = Uuid, Path), KeyHeader),
    request_body(content = schema::MessageEdit),
    responses(
        (status = 200, body = Replayed),
        (
            status = 409,
            description = "It waits behind another message, could not be read with this body, or would \
                           ask for something else than it was sent for"
        ),
    ),
)]
pub async fn edit(request: HttpRequest, api: Data<Api>, payload: Payload) -> HttpResponse {
    commands::run::<Edit>(request, api, payload).await
}

struct Edit {
    id: MessageId,
    body: Box<RawValue>,
    reason: Option<String>,
}

impl Command for Edit {
    const TAKES: Takes = Takes::Object(MAX_EDIT_BYTES);

    type Effect = MessageId;

    fn meter(meters: &Meters) -> &Meter {
        &meters.edit_quarantined
    }

    fn read(asked: &Asked<'_>, mut fields: Fields<'_>) -> Result<Self, Problem> {
        let mut errors = Errors::default();
        let body: Option<Value> = fields.required("body", &mut errors);
        let reason = fields.text_if_any("reason", MAX_REASON_CHARS, &mut errors);
        fields.finish(&["body", "reason"], &mut errors);

        let body = body.and_then(|body| serde_json::value::to_raw_value(&body).ok());
        let body = errors.finish(body)?;
        let id = MessageId(asked.id()?);
        Ok(Edit { id, body, reason })
    }

    fn value(&self) -> impl Serialize {
        (&self.body, &self.reason)
    }

    async fn carry_out(self, doors: &Doors, caller: Caller) -> Result<MessageId, Problem> {
        let Edit { id, body, reason } = self;
        let by = caller.as_operator(reason);
        let commands = doors.commands();
        commands
            .operate_parked(id, ParkedAction::Edit(body), by, caller.binding)
            .await?;
        Ok(id)
    }

    async fn answer(id: MessageId, _: &Asked<'_>) -> Result<HttpResponse, Problem> {
        Ok(HttpResponse::Ok().json(Replayed { id }))
    }
}

/// Drop a parked message; those behind it are tried
///
/// What nobody would ask for again cannot be dropped: in a choreography the release of an order
/// that was given up, and that of a saga that was abandoned. The reason stands in the query or, as
/// with everything else that operators do, in a JSON body.
#[utoipa::path(
    delete, path = "/quarantine/{id}", operation_id = "discardQuarantined", tag = "operations",
    params(("id" = Uuid, Path), KeyHeader, ReasonParam),
    request_body(content = Option<schema::OperatorReason>),
    responses(
        (status = 204, description = "Dropped"),
        (status = 409, description = "Nobody would ask again for what it asks"),
    ),
)]
pub async fn discard(request: HttpRequest, api: Data<Api>, payload: Payload) -> HttpResponse {
    commands::run::<Discard>(request, api, payload).await
}

struct Discard {
    id: MessageId,
    reason: Option<String>,
}

impl Command for Discard {
    const TAKES: Takes = Takes::AtMostAnObject;

    const PARAMS: &'static [&'static str] = &["reason"];

    type Effect = ();

    fn meter(meters: &Meters) -> &Meter {
        &meters.discard_quarantined
    }

    fn read(asked: &Asked<'_>, body: Fields<'_>) -> Result<Self, Problem> {
        let mut params = Params::of(asked.request, Self::PARAMS);
        let in_query = params.text("reason", MAX_REASON_CHARS);
        params.finish()?;
        // Some clients send no body with a DELETE, and others, which send one with all that
        // operators do, expect it to be read. Where both say why, the body does.
        let reason = commands::reason(body)?.or(in_query);
        let id = MessageId(asked.id()?);
        Ok(Discard { id, reason })
    }

    fn value(&self) -> impl Serialize {
        &self.reason
    }

    async fn carry_out(self, doors: &Doors, caller: Caller) -> Result<(), Problem> {
        let by = caller.as_operator(self.reason);
        let commands = doors.commands();
        let done = commands.operate_parked(self.id, ParkedAction::Discard, by, caller.binding);
        Ok(done.await?)
    }

    async fn answer((): (), _: &Asked<'_>) -> Result<HttpResponse, Problem> {
        Ok(HttpResponse::NoContent().finish())
    }
}
