//! Reading what you wrote: a read that carries a token never returns less than the token's caller
//! has seen.

use futures_util::future::join_all;
use serde_json::json;
use tests::{Api, Node, Response, Shared, cents};

static NODE: Shared<Node> = Shared::new();

#[tokio::test]
async fn an_order_is_read_back_at_once_with_its_token() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    let customer = api.create_customer("Ada", "1000.00").await;

    for _ in 0..20 {
        let created = api.new_order(&customer.id, "1.00").await.is(201);
        let shown = api
            .order(created.str("orderId"))
            .token(&created.token())
            .await
            .is(200);
        assert!(shown.json["version"].as_u64() >= Some(1));
    }
}

#[tokio::test]
async fn a_customer_is_read_back_at_once_with_its_token() {
    let node = NODE.get(Node::start).await;
    let api = node.api();

    for number in 0..20 {
        let name = format!("Customer {number}");
        let created = api.create_customer(&name, "10.00").await;
        let shown = api
            .customer(&created.id)
            .token(&created.token)
            .await
            .is(200);
        assert_eq!(shown.str("name"), name);
    }
}

#[tokio::test]
async fn the_token_of_a_waited_command_covers_the_customers_credit() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    let customer = api.create_customer("Ada", "20.00").await;

    for spent in 1..=20 {
        let order = api.place(&customer.id, "1.00", "APPROVED").await;
        assert_eq!(
            api.available_cents(&customer.id, &order.token).await,
            2000 - spent * 100
        );
        if spent % 5 == 0 {
            let shown = api.customer(&customer.id).token(&order.token).await.is(200);
            assert_eq!(
                shown.json["orders"][&order.id]["state"], "APPROVED",
                "{}",
                shown.text
            );
        }
    }
}

#[tokio::test]
async fn a_list_contains_what_its_reader_has_written() {
    let node = NODE.get(Node::start).await;
    let api = node.api();

    for _ in 0..5 {
        let customer = api.create_customer("Ada Lister", "100.00").await;
        let listed = api
            .get("/customers")
            .query("name", "lister")
            .token(&customer.token)
            .await
            .is(200);
        assert_eq!(
            listed.each("customers", "customerId").first(),
            Some(&customer.id)
        );

        let order = api.place(&customer.id, "7.00", "APPROVED").await;
        let listed = api
            .get("/orders")
            .query("customerId", &customer.id)
            .token(&order.token)
            .await
            .is(200);
        assert_eq!(
            listed.each("orders", "orderId"),
            std::slice::from_ref(&order.id)
        );
        let path = format!("/customers/{}/orders", customer.id);
        let listed = api
            .get(&path)
            .query("state", "APPROVED")
            .token(&order.token)
            .await
            .is(200);
        assert_eq!(listed.each("orders", "orderId"), [order.id]);
    }
}

#[tokio::test]
async fn a_count_includes_what_its_reader_has_written() {
    let node = Node::start().await;
    let api = node.api();

    for count in 1..=5 {
        let customer = api.create_customer("Ada", "100.00").await;
        assert_eq!(
            api.get("/customers/count")
                .token(&customer.token)
                .await
                .is(200)
                .json["count"],
            count
        );
    }
}

#[tokio::test]
async fn a_search_finds_what_its_searcher_has_written() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    let customer = api.create_customer("Ada", "100.00").await;

    for number in 0..5 {
        let word = format!("zephyr{number}");
        let line =
            json!({"sku": "1", "name": word, "quantity": 1, "unitPrice": {"amount": "1.00"}});
        let order = api
            .place_order(
                json!({"customerId": customer.id, "lines": [line]}),
                "APPROVED",
            )
            .await;

        let found = api
            .get("/orders")
            .query("text", &word)
            .token(&order.token)
            .await
            .is(200);

        assert_eq!(found.each("orders", "orderId"), [order.id]);
        assert_eq!(found.items("orders")[0]["state"], "APPROVED");
    }
}

#[tokio::test]
async fn concatenated_tokens_cover_all_they_name() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    let ada = api.create_customer("Ada", "100.00").await;
    let bea = api.create_customer("Bea", "100.00").await;
    let (first, second) = tokio::join!(
        api.place(&ada.id, "1.00", "APPROVED"),
        api.place(&bea.id, "2.00", "APPROVED")
    );
    let tokens = format!("{},{}", first.token, second.token);

    assert_eq!(api.available_cents(&ada.id, &tokens).await, 9900);
    assert_eq!(api.available_cents(&bea.id, &tokens).await, 9800);
    let listed = api
        .get("/orders")
        .query("limit", "200")
        .token(&tokens)
        .await
        .is(200);
    let listed = listed.each("orders", "orderId");
    assert!(
        listed.contains(&first.id) && listed.contains(&second.id),
        "{listed:?}"
    );
}

#[tokio::test]
async fn a_token_that_is_none_is_refused() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    let customer = api.create_customer("Ada", "100.00").await;
    let half_good = format!("{},nonsense!", customer.token);

    for token in ["nonsense!", "%%%", &half_good] {
        api.customer(&customer.id)
            .token(token)
            .await
            .is_problem(400);
        api.get("/orders").token(token).await.is_problem(400);
    }
}

#[tokio::test]
async fn a_token_stays_small_however_much_was_read() {
    let node = Node::start().await;
    let api = node.api();
    let customers = join_all((0..40).map(|_| api.create_customer("Ada", "100.00"))).await;
    let orders = join_all(
        customers
            .iter()
            .map(|customer| api.place(&customer.id, "1.00", "APPROVED")),
    )
    .await;
    let tokens: Vec<String> = orders.into_iter().map(|order| order.token).collect();
    api.views_cover(&tokens).await;

    // the check of the size is in `token`
    for path in [
        "/orders?limit=200",
        "/customers?limit=200",
        "/orders?text=anything",
        "/customers/count",
    ] {
        let token = api.get(path).await.is(200).token();
        api.get(path).token(&token).await.is(200);
    }
}

#[tokio::test]
async fn the_token_of_a_read_keeps_later_reads_from_going_backwards() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    let customer = api.create_customer("Ada", "100.00").await;
    let order = api.place(&customer.id, "1.00", "APPROVED").await;
    let listed = api
        .get("/orders")
        .query("customerId", &customer.id)
        .token(&order.token)
        .await
        .is(200);

    // whoever has seen the approved order in the list sees it everywhere
    let shown = api.order(&order.id).token(&listed.token()).await.is(200);
    assert_eq!(shown.str("state"), "APPROVED");
    let found = api
        .get("/orders")
        .query("text", "ada")
        .query("customerId", &customer.id)
        .token(&listed.token())
        .await
        .is(200);
    assert_eq!(found.each("orders", "orderId"), [order.id]);
}

#[tokio::test]
async fn a_reader_who_does_not_wait_is_told_so_and_never_shown_less() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    let customer = api.create_customer("Ada", "100.00").await;

    for _ in 0..20 {
        let order = api.place(&customer.id, "1.00", "APPROVED").await;
        let read = api
            .get("/orders")
            .query("text", "ada")
            .query("limit", "200")
            .token(&order.token)
            .wait(0)
            .await;
        if read.status == 200 {
            assert!(
                read.each("orders", "orderId").contains(&order.id),
                "{}",
                read.text
            );
        } else {
            is_view_behind(&read);
        }
        let lenient = api
            .order(&order.id)
            .token(&order.token)
            .header("prefer", "wait=0, handling=lenient")
            .await;
        assert!([200, 404].contains(&lenient.status), "{}", lenient.text);
        if lenient.status == 200 && lenient.json["version"] != 2 {
            assert_eq!(lenient.header("consistency"), "stale");
        }
    }
}

#[tokio::test]
async fn tokens_outlive_a_restart() {
    let mut node = Node::start().await;
    let api = node.api();
    let customer = api.create_customer("Ada", "100.00").await;
    let order = api.place(&customer.id, "1.00", "APPROVED").await;
    let listed = api.get("/orders").token(&order.token).await.is(200).token();

    node.kill();
    node.restart().await;
    let api = node.api();

    let tokens = format!("{},{listed}", order.token);
    assert_eq!(
        cents(&api.customer(&customer.id).token(&tokens).await.is(200).json["availableCredit"]),
        9900
    );
    let found = api
        .get("/orders")
        .query("text", "ada")
        .token(&tokens)
        .await
        .is(200);
    assert_eq!(found.each("orders", "orderId"), [order.id]);
}

#[tokio::test]
async fn a_thousand_reads_under_load_show_what_their_callers_have_written() {
    const READERS: usize = 8;
    let node = Node::start().await;

    let readers = (0..READERS).map(|_| read_back(node.api(), 1_000usize.div_ceil(READERS)));
    let stale: Vec<String> = join_all(readers).await.into_iter().flatten().collect();

    assert!(
        stale.is_empty(),
        "{} stale answers, as {:?}",
        stale.len(),
        stale.first()
    );
}

/// Writes and reads back in turn, as fast as it is answered: by id, in a list and in the search.
/// The readers are each other's load. Gives the answers that show less than was written.
async fn read_back(api: Api, checks: usize) -> Vec<String> {
    let name = format!("Reader{}", uuid::Uuid::now_v7().simple());
    let customer = api.create_customer(&name, "100000.00").await;
    let (mut stale, mut placed) = (Vec::new(), Vec::new());

    for check in 0..checks {
        let order = api.new_order(&customer.id, "1.00").wait(30).await.is(201);
        let (id, token) = (order.str("orderId").to_owned(), order.token());
        placed.push(id.clone());
        let (read, shows) = match check % 4 {
            0 => {
                let read = api.order(&id).token(&token).wait(30).await;
                let shows = read.json["state"] == "APPROVED";
                (read, shows)
            }
            1 => {
                let read = api.customer(&customer.id).token(&token).wait(30).await;
                let spent = 10_000_000 - 100 * i64::try_from(placed.len()).expect("few orders");
                let shows = read.status == 200 && cents(&read.json["availableCredit"]) == spent;
                (read, shows)
            }
            2 => {
                let path = format!("/customers/{}/orders?state=APPROVED", customer.id);
                let read = api.get(&path).token(&token).wait(30).await;
                let shows =
                    read.status == 200 && read.each("orders", "orderId").first() == Some(&id);
                (read, shows)
            }
            _ => {
                let found = api
                    .get("/orders")
                    .query("text", &name)
                    .query("sort", "newest")
                    .query("state", "APPROVED");
                let read = found.token(&token).wait(30).await;
                let newest =
                    read.status == 200 && read.each("orders", "orderId").first() == Some(&id);
                let shows = newest && read.json["total"] == placed.len();
                (read, shows)
            }
        };
        if !shows {
            stale.push(format!("{}: {} {}", read.call, read.status, read.text));
        }
    }

    stale
}

#[track_caller]
fn is_view_behind(answer: &Response) {
    answer.is_problem(503);
    assert!(
        answer.str("type").contains("view-behind"),
        "{}",
        answer.text
    );
    assert!(!answer.header("retry-after").is_empty(), "{}", answer.text);
}
