//! The quarantine: messages that no entity could process, parked with those of the same entity that
//! wait behind them.

use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use domain::MessageId;
use serde::Serialize;
use utoipa::ToSchema;

use super::commands::{self, Asked, Caller, Command, Doors, Takes};
use super::fields::Fields;
use super::meter::{Meter, Meters};
use super::params::{self, Params, path_id};
use super::problem::refuse_other_methods;
use super::schema::params::{KeyHeader, PageParams};
use super::{Api, Problem, reads};
use crate::ports::{Listed, Parked};

pub fn routes(config: &mut ServiceConfig) {
    config
        .service(
            web::resource("/quarantine")
                .route(reads::route().to(list))
                .default_service(refuse_other_methods("GET, HEAD")),
        )
        .service(
            web::resource("/quarantine/{id}")
                .route(reads::route().to(show))
                .route(web::delete().to(discard))
                .default_service(refuse_other_methods("DELETE, GET, HEAD")),
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
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// What is being tried again.
#[derive(Serialize, ToSchema)]
pub struct Replayed {
    #[schema(value_type = Uuid)]
    id: MessageId,
}

/// List what is parked
#[utoipa::path(
    get, path = "/quarantine", operation_id = "listQuarantine", tag = "operations",
    params(PageParams),
    responses((status = 200, description = "Oldest first", body = ParkedList)),
)]
pub async fn list(request: HttpRequest, api: Data<Api>) -> HttpResponse {
    let work = async {
        let mut params = Params::of(&request, &["limit", "cursor"]);
        let page = params.page();
        let seal = params.seal();
        params.finish()?;
        let read = api.ports.quarantine.list(page);
        let Listed {
            items: quarantine,
            next,
        } = reads::run(&api, read).await?;
        let next = seal.put_on(next);
        Ok(HttpResponse::Ok().json(ParkedList { quarantine, next }))
    };
    api.meters.list_quarantine.watch(&request, work).await
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
/// A message is processed once however often it is replayed, so a key is allowed but changes
/// nothing.
#[utoipa::path(
    post, path = "/quarantine/{id}/replay", operation_id = "replayQuarantined", tag = "operations",
    params(("id" = Uuid, Path), KeyHeader),
    responses((status = 202, body = Replayed)),
)]
pub async fn replay(request: HttpRequest, api: Data<Api>, payload: Payload) -> HttpResponse {
    commands::run::<Replay>(request, api, payload).await
}

struct Replay(MessageId);

impl Command for Replay {
    const TAKES: Takes = Takes::AtMostAnObject;

    type Effect = MessageId;

    fn meter(meters: &Meters) -> &Meter {
        &meters.replay_quarantined
    }

    fn read(asked: &Asked<'_>, body: Fields<'_>) -> Result<Self, Problem> {
        body.none()?;
        Ok(Replay(MessageId(asked.id()?)))
    }

    fn value(&self) -> impl Serialize {}

    async fn carry_out(self, doors: &Doors, _: Caller) -> Result<MessageId, Problem> {
        let Replay(id) = self;
        doors.commands().replay_quarantined(id).await?;
        Ok(id)
    }

    async fn answer(id: MessageId, _: &Asked<'_>) -> HttpResponse {
        HttpResponse::Accepted().json(Replayed { id })
    }
}

/// Drop a parked message; those behind it are tried
#[utoipa::path(
    delete, path = "/quarantine/{id}", operation_id = "discardQuarantined", tag = "operations",
    params(("id" = Uuid, Path)),
    responses((status = 204, description = "Dropped")),
)]
pub async fn discard(request: HttpRequest, api: Data<Api>, payload: Payload) -> HttpResponse {
    commands::run::<Discard>(request, api, payload).await
}

struct Discard(MessageId);

impl Command for Discard {
    const TAKES: Takes = Takes::Nothing;

    type Effect = ();

    fn meter(meters: &Meters) -> &Meter {
        &meters.discard_quarantined
    }

    fn read(asked: &Asked<'_>, _: Fields<'_>) -> Result<Self, Problem> {
        Ok(Discard(MessageId(asked.id()?)))
    }

    fn value(&self) -> impl Serialize {}

    async fn carry_out(self, doors: &Doors, _: Caller) -> Result<(), Problem> {
        Ok(doors.commands().discard_quarantined(self.0).await?)
    }

    async fn answer((): (), _: &Asked<'_>) -> HttpResponse {
        HttpResponse::NoContent().finish()
    }
}
