//! The first page: what runs here, and where the rest is. It needs nothing from elsewhere.

use actix_web::http::header::{self, ContentType};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};

use super::problem::refuse_other_methods;
use super::reads;

const PAGE: &str = include_str!("index/page.html");
/// Stands in the page for the address.
const ADDRESS: &str = "localhost:8080";

/// The route `/`.
pub fn routes(config: &mut ServiceConfig) {
    config.service(
        web::resource("/")
            .route(reads::route().to(page))
            .default_service(refuse_other_methods("GET, HEAD")),
    );
}

/// The page, with the address at which the caller has reached it.
async fn page(request: HttpRequest) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(ContentType::html())
        .body(PAGE.replace(ADDRESS, &address(&request)))
}

/// The address in the request, if it is one: it becomes a part of the page, and of commands that
/// people copy. A proxy says when it is reached by TLS.
fn address(request: &HttpRequest) -> String {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    let host = request.headers().get(header::HOST);
    let host = host
        .and_then(|host| host.to_str().ok())
        .filter(|host| !host.is_empty() && host.bytes().all(is_part))
        .unwrap_or(ADDRESS);

    match request.connection_info().scheme() {
        "https" => format!("https://{host}"),
        _ => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn the_page_names_the_address_it_is_reached_at_and_nothing_that_is_none() {
        let reached = |host: &str| {
            let request = TestRequest::default().insert_header((header::HOST, host));
            address(&request.to_http_request())
        };
        assert_eq!(reached("shop.example:8090"), "shop.example:8090");
        assert_eq!(reached("[::1]:80"), "[::1]:80");
        assert_eq!(reached("<script>"), ADDRESS);
        assert_eq!(reached("a;rm -rf"), ADDRESS);
    }

    #[test]
    fn the_page_has_a_place_for_its_address() {
        assert!(PAGE.contains(ADDRESS));
    }
}
