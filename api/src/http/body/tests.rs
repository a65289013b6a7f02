use actix_web::test::TestRequest;
use actix_web::{FromRequest, ResponseError, dev};
use futures_util::stream::{self, once, pending};

use super::*;

#[actix_web::test]
async fn a_body_that_never_ends_is_given_up_and_so_is_its_connection() {
    let request = TestRequest::post()
        .insert_header(("content-length", "100"))
        .to_http_request();

    let never_ends = once(async { Ok(Bytes::from_static(b"{")) })
        .chain(pending())
        .boxed_local();

    let mut payload = dev::Payload::Stream {
        payload: never_ends,
    };

    let payload = Payload::from_request(&request, &mut payload).await.unwrap();
    let large = InFlight::new(1);
    let problem = collect_within(Duration::from_millis(5), payload, 100, &large)
        .await
        .unwrap_err();

    let answer = problem.error_response();
    assert_eq!(
        (answer.status().as_u16(), answer.head().keep_alive()),
        (408, false)
    );

    assert_eq!(
        answer.headers().get("content-type").unwrap(),
        "application/problem+json"
    );
}

/// A body that comes in these pieces.
async fn payload(pieces: &[&str]) -> Payload {
    let request = TestRequest::post().to_http_request();
    let pieces: Vec<_> = pieces
        .iter()
        .map(|piece| Ok(Bytes::copy_from_slice(piece.as_bytes())))
        .collect();
    let payload = stream::iter(pieces).boxed_local();
    Payload::from_request(&request, &mut dev::Payload::Stream { payload })
        .await
        .unwrap()
}

#[actix_web::test]
async fn a_body_is_the_same_in_whatever_pieces_it_comes() {
    let large = InFlight::new(1);
    for pieces in [
        &[][..],
        &["abcdef"],
        &["", "abcdef"],
        &["abc", "def"],
        &["abc", "", "d", "ef"],
    ] {
        let body = collect(payload(pieces).await, 6, &large).await.unwrap();
        assert_eq!(body.bytes, pieces.concat());
    }
    let refused = collect(payload(&["abc", "defg"]).await, 6, &large).await;
    assert_eq!(refused.unwrap_err().error_response().status(), 413);
}

#[actix_web::test]
async fn large_bodies_are_few_at_a_time_and_small_ones_are_not_held_up_by_them() {
    let large = InFlight::new(1);
    let text = "x".repeat(MAX_BODY_BYTES);
    let most = 3 * MAX_BODY_BYTES;

    let held = collect(payload(&[&text, "x"]).await, most, &large).await;
    let refused = collect(payload(&[&text, "x"]).await, most, &large).await;
    assert_eq!(refused.unwrap_err().error_response().status(), 503);
    assert!(collect(payload(&[&text]).await, most, &large).await.is_ok());

    drop(held);
    assert!(
        collect(payload(&[&text, "x"]).await, most, &large)
            .await
            .is_ok()
    );
}
