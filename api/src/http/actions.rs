//! What operators have done to sagas, parked messages and views: who, and why.

use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;

use super::params::Params;
use super::problem::refuse_other_methods;
use super::schema::params::{ActionParams, PageParams};
use super::{Api, reads};
use crate::ports::{ActionQuery, Listed, OperatorAction, VIEWS};

/// The route `/actions`.
pub fn routes(config: &mut ServiceConfig) {
    config.service(
        web::resource("/actions")
            .route(reads::route().to(list))
            .default_service(refuse_other_methods("GET, HEAD")),
    );
}

/// A part of what operators have done.
#[derive(Serialize, ToSchema)]
pub struct ActionList {
    actions: Vec<OperatorAction>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// List what operators have done
#[utoipa::path(
    get, path = "/actions", operation_id = "listActions", tag = "operations",
    params(ActionParams, PageParams),
    responses((status = 200, description = "Newest first", body = ActionList)),
)]
pub async fn list(request: HttpRequest, api: Data<Api>) -> HttpResponse {
    let work = async {
        let mut params = Params::of(&request, &["about", "view", "limit", "cursor"]);
        let query = ActionQuery {
            about: params.uuid("about"),
            view: params.named("view", &VIEWS, |view| view),
            page: params.page(),
        };
        let seal = params.seal();
        params.finish()?;
        let read = api.ports.actions.list(query);
        let Listed {
            items: actions,
            next,
        } = reads::run(&api, read).await?;
        let next = seal.put_on(next);
        Ok(HttpResponse::Ok().json(ActionList { actions, next }))
    };
    api.meters.list_actions.watch(&request, work).await
}
