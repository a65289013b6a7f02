//! What the node itself looks like: views and cluster.

use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::{Body as ProblemBody, refuse_other_methods};
use super::{Api, params, reads};
use crate::ports::{ClusterState, ViewStatus};

pub fn routes(config: &mut ServiceConfig) {
    config
        .service(
            web::resource("/views").route(reads::route().to(views)).default_service(refuse_other_methods("GET, HEAD")),
        )
        .service(
            web::resource("/cluster")
                .route(reads::route().to(cluster))
                .default_service(refuse_other_methods("GET, HEAD")),
        );
}

#[derive(Serialize, ToSchema)]
pub struct ViewList {
    views: Vec<ViewStatus>,
}

/// Show the views and how far they are behind
#[utoipa::path(get, path = "/views", tag = "operations", responses(
    (status = 200, body = ViewList),
    (status = 503, body = ProblemBody, content_type = "application/problem+json"),
))]
pub async fn views(request: HttpRequest, api: Data<Api>) -> HttpResponse {
    let work = async {
        params::none(&request)?;
        let views = reads::run(&api, false, api.ports.views.views()).await?;
        Ok(HttpResponse::Ok().json(ViewList { views }))
    };
    api.meters.views.watch(&request, work).await
}

/// Show nodes, shards, their owners and backlogs
#[utoipa::path(get, path = "/cluster", tag = "operations", responses(
    (status = 200, body = ClusterState),
    (status = 503, body = ProblemBody, content_type = "application/problem+json"),
))]
pub async fn cluster(request: HttpRequest, api: Data<Api>) -> HttpResponse {
    let work = async {
        params::none(&request)?;
        let state = reads::run(&api, false, api.ports.cluster.state()).await?;
        Ok(HttpResponse::Ok().json(state))
    };
    api.meters.cluster.watch(&request, work).await
}
