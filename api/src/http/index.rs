//! The first page: what runs here, and where the rest is. It needs nothing from elsewhere.

use actix_web::HttpResponse;
use actix_web::http::header::ContentType;
use actix_web::web::{self, ServiceConfig};

use super::problem::refuse_other_methods;
use super::reads;

const PAGE: &str = include_str!("index/page.html");

pub fn routes(config: &mut ServiceConfig) {
    config.service(
        web::resource("/")
            .route(reads::route().to(page))
            .default_service(refuse_other_methods("GET, HEAD")),
    );
}

async fn page() -> HttpResponse {
    HttpResponse::Ok()
        .content_type(ContentType::html())
        .body(PAGE)
}
