//! The quarantine over HTTP.

use crate::http::testing::{ID, Node};

#[actix_web::test]
async fn what_views_cannot_take_in_is_listed_beside_the_messages() {
    let node = Node::new();
    let nothing = node.get("/quarantine").await;
    assert_eq!(nothing.status, 200, "{}", nothing.text);
    assert!(nothing.json.get("views").is_none(), "{}", nothing.text);

    let found = node.get(&format!("/quarantine?entity={ID}")).await;
    let parked = &found.json["views"][0];
    assert_eq!(
        (&parked["view"], &parked["entityId"]),
        (&"documents".into(), &ID.into())
    );
    assert_eq!(
        (&parked["version"], &parked["entityType"]),
        (&2.into(), &"order".into())
    );
}
