//! Shows the cluster.

use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};

use super::problem::refuse_other_methods;
use super::{Api, params, reads};
use crate::ports::ClusterState;

/// The route `/cluster`.
pub fn routes(config: &mut ServiceConfig) {
    config.service(
        web::resource("/cluster")
            .route(reads::route().to(cluster))
            .default_service(refuse_other_methods("GET, HEAD")),
    );
}

/// Show nodes, shards, their owners and backlogs
#[utoipa::path(
    get, path = "/cluster", operation_id = "showCluster", tag = "operations",
    responses((status = 200, body = ClusterState)),
)]
pub async fn cluster(request: HttpRequest, api: Data<Api>) -> HttpResponse {
    let work = async {
        params::none(&request)?;
        let state = reads::run(&api, api.ports.cluster.state()).await?;
        Ok(HttpResponse::Ok().json(state))
    };
    api.meters.cluster.watch(&request, work).await
}
