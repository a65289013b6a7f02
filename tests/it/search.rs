//! Text search: what a word finds, and that the user's text is never syntax.

mod shop;

use serde_json::json;
use tests::{Node, cents, time};

use shop::{CRATES, SHOP, Shop, line, set};

#[tokio::test]
async fn a_word_is_found_in_every_field_it_may_stand_in() {
    let shop = SHOP.get(Shop::open).await;

    assert_eq!(shop.found("strawberry").await, set(&[&shop.dessert]));
    assert_eq!(shop.found("garden").await, set(&[&shop.dessert]));
    assert_eq!(shop.found("hamilton").await, set(&[&shop.breakfast]));
    assert_eq!(shop.found("4711").await, set(&[&shop.breakfast]));
    assert_eq!(shop.found("APOLLO-11").await, set(&[&shop.breakfast]));
    assert_eq!(shop.found("apollo-11").await, set(&[&shop.breakfast]));
    assert_eq!(shop.found("submarine").await, set(&[]));
}

#[tokio::test]
async fn a_rejected_order_is_found_by_its_customers_name_too() {
    let shop = SHOP.get(Shop::open).await;

    assert_eq!(shop.found("tuna").await, set(&[&shop.fish]));
    assert_eq!(shop.found("hopper tuna").await, set(&[&shop.fish]));
}

#[tokio::test]
async fn all_words_must_match_wherever_they_stand() {
    let shop = SHOP.get(Shop::open).await;

    assert_eq!(
        shop.found("hamilton bagel door 4711").await,
        set(&[&shop.breakfast])
    );
    assert_eq!(shop.found("bagel strawberry").await, set(&[]));
    assert_eq!(
        shop.found("yogurt door").await,
        set(&[&shop.breakfast, &shop.dessert])
    );
}

#[tokio::test]
async fn case_and_plural_do_not_matter() {
    let shop = SHOP.get(Shop::open).await;

    for text in ["yogurt", "YOGURT", "Yogurts", "YOGURTS"] {
        assert_eq!(
            shop.found(text).await,
            set(&[&shop.breakfast, &shop.dessert]),
            "{text}"
        );
    }
    for text in ["bagel", "BAGELS"] {
        assert_eq!(shop.found(text).await, set(&[&shop.breakfast]), "{text}");
    }
}

#[tokio::test]
async fn a_trailing_star_is_a_prefix() {
    let shop = SHOP.get(Shop::open).await;

    assert_eq!(shop.found("straw*").await, set(&[&shop.dessert]));
    assert_eq!(shop.found("STRAW* hop*").await, set(&[&shop.dessert]));
    assert_eq!(
        shop.found("yog*").await,
        set(&[&shop.breakfast, &shop.dessert])
    );
    assert_eq!(shop.found("straw").await, set(&[]));
    assert_eq!(shop.found("crate*").await.len(), CRATES);
}

#[tokio::test]
async fn quotes_make_a_phrase() {
    let shop = SHOP.get(Shop::open).await;

    assert_eq!(
        shop.found("back door").await,
        set(&[&shop.breakfast, &shop.dessert])
    );
    assert_eq!(shop.found("\"back door\"").await, set(&[&shop.breakfast]));
    assert_eq!(shop.found("\"door back\"").await, set(&[]));
    assert_eq!(
        shop.found("\"garden door\" yogurt").await,
        set(&[&shop.dessert])
    );
}

#[tokio::test]
async fn the_users_text_is_never_syntax() {
    let shop = SHOP.get(Shop::open).await;

    assert_eq!(shop.found("bagel OR tuna").await, set(&[]));
    assert_eq!(shop.found("bagel -yogurt").await, set(&[&shop.breakfast]));
    assert_eq!(shop.found("(bagel)").await, set(&[&shop.breakfast]));
    assert_eq!(shop.found("bagel!").await, set(&[&shop.breakfast]));
    assert_eq!(shop.found("state:APPROVED").await, set(&[]));
}

#[tokio::test]
async fn no_text_is_an_error() {
    let shop = SHOP.get(Shop::open).await;

    let texts = [
        "\"",
        "\"unclosed",
        "\"\"",
        "*",
        "* *",
        "***",
        "a*b",
        "(",
        ")",
        "((",
        "[a TO b]",
        "{a TO",
        "AND",
        "OR",
        "NOT",
        "AND OR",
        "+",
        "-",
        "--",
        "&&",
        "||",
        "!",
        "^2",
        "yogurt^2",
        "~",
        "yogurt~5",
        "\"back door\"~2",
        ":",
        "name:",
        ":x",
        "name:yogurt",
        "\\",
        "\\\"",
        "/",
        "/.*/",
        "?",
        "y?gurt",
        "<",
        ">= 5",
        "IN [1 2]",
        "'",
        "'; DROP TABLE orders; --",
        "%",
        "_",
        "émigré",
        "日本語",
        "🥯",
        "🥯*",
        "\u{200d}",
        "\u{301}",
        "the",
        "the and of",
        "=1+1",
        "{{7*7}}",
        "<script>",
    ];

    for text in texts {
        let answer = shop.search(&[("text", text)]).await;
        assert!(answer.json["total"].is_u64(), "{text:?}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_text_of_more_prefixes_than_a_search_may_cost_is_refused_by_name() {
    let shop = SHOP.get(Shop::open).await;

    let letters: String = ('a'..='z').map(|letter| format!("{letter}* ")).collect();
    let answer = shop.node.api().get("/orders").query("text", &letters);
    let answer = answer.await.is(400);
    assert_eq!(answer.json["errors"][0]["field"], "text", "{}", answer.text);
}

#[tokio::test]
async fn a_word_is_found_however_it_is_written_and_shown_as_it_was() {
    let node = Node::start().await;
    let api = node.api();
    let customer = api.create_customer("Ζωή İnan", "10.00").await;
    let lines = [line("1", "CRE\u{300}ME 日本茶 knives", "1.00")];
    let order = json!({"customerId": customer.id, "lines": lines});
    let order = api.place_order(order, "APPROVED").await;

    for (text, shown) in [
        ("crème", "<em>CRE\u{300}ME</em>"),
        ("creme", "<em>CRE\u{300}ME</em>"),
        ("日本", "<em>日本</em>茶"),
        ("knife", "<em>knives</em>"),
        ("ζωη inan", "<em>Ζωή</em> <em>İnan</em>"),
    ] {
        let found = api.get("/orders").query("text", text).token(&order.token);
        let found = found.await.is(200);
        assert_eq!(found.json["total"], 1, "{text}");
        let highlights = found.items("orders")[0]["highlights"].to_string();
        assert!(highlights.contains(shown), "{text}: {highlights}");
    }

    for name in ["ζωη", "INAN", "ΖΩΗ ı"] {
        let found = api
            .get("/customers")
            .query("name", name)
            .token(&order.token);
        let found = found.await.is(200);
        assert_eq!(found.items("customers").len(), 1, "{name}");
    }
}

#[tokio::test]
async fn hits_are_scored_highlighted_and_best_first() {
    let shop = SHOP.get(Shop::open).await;

    let answer = shop.search(&[("text", "yogurt")]).await;

    let scores: Vec<f64> = answer
        .items("orders")
        .iter()
        .filter_map(|order| order["score"].as_f64())
        .collect();
    assert_eq!(scores.len(), 2, "{}", answer.text);
    assert!(
        scores.is_sorted_by(|better, worse| better >= worse),
        "{scores:?}"
    );
    for order in answer.items("orders") {
        let highlights = order["highlights"].to_string().to_lowercase();
        assert!(highlights.contains("yogurt"), "{order}");
        // a hit is the order itself, not a stub of it
        assert_eq!(order["state"], "APPROVED");
        assert!(
            order["customerName"].is_string() && order["lines"].is_array(),
            "{order}"
        );
        cents(&order["orderTotal"]);
    }
}

#[tokio::test]
async fn markup_in_a_text_does_not_come_out_of_a_highlight_alive() {
    let node = Node::start().await;
    let api = node.api();
    let customer = api.create_customer("Mallory", "10.00").await;
    let lines = [line("1", "<script>alert(1)</script> biscuit", "1.00")];
    let order = api
        .place_order(
            json!({"customerId": customer.id, "lines": lines}),
            "APPROVED",
        )
        .await;

    let found = api
        .get("/orders")
        .query("text", "biscuit")
        .token(&order.token)
        .await
        .is(200);

    assert_eq!(found.json["total"], 1);
    let highlights = found.items("orders")[0]["highlights"].to_string();
    assert!(
        highlights.contains("biscuit") && !highlights.contains("<script>"),
        "{highlights}"
    );
}

#[tokio::test]
async fn a_search_is_sorted_as_asked() {
    let shop = SHOP.get(Shop::open).await;

    let newest = shop.search(&[("text", "yogurt"), ("sort", "newest")]).await;
    assert_eq!(
        newest.each("orders", "orderId"),
        [shop.dessert.clone(), shop.breakfast.clone()]
    );
    let total = shop.search(&[("text", "yogurt"), ("sort", "total")]).await;
    assert_eq!(
        total.each("orders", "orderId"),
        [shop.dessert.clone(), shop.breakfast.clone()]
    );
    let relevance = shop
        .search(&[("text", "yogurt"), ("sort", "relevance")])
        .await;
    let default = shop.search(&[("text", "yogurt")]).await;
    assert_eq!(
        relevance.each("orders", "orderId"),
        default.each("orders", "orderId")
    );
}

#[tokio::test]
async fn a_search_is_filtered_like_a_list() {
    let shop = SHOP.get(Shop::open).await;
    let door_of_margaret = [("text", "door"), ("customerId", shop.margaret.as_str())];

    let found = shop.search(&door_of_margaret).await;
    assert_eq!(
        found.each("orders", "orderId"),
        std::slice::from_ref(&shop.breakfast)
    );
    let found = shop.search(&[("text", "door"), ("minTotal", "5.00")]).await;
    assert_eq!(
        found.each("orders", "orderId"),
        std::slice::from_ref(&shop.dessert)
    );
    let found = shop
        .search(&[("text", "grace"), ("state", "REJECTED")])
        .await;
    assert_eq!(
        found.each("orders", "orderId"),
        std::slice::from_ref(&shop.fish)
    );
    let found = shop
        .search(&[("text", "door"), ("until", "2001-01-01T00:00:00Z")])
        .await;
    assert_eq!(found.json["total"], 0);
}

#[tokio::test]
async fn the_pages_of_a_search_lose_and_repeat_nothing() {
    let shop = SHOP.get(Shop::open).await;
    let api = shop.node.api();

    let first = shop.search(&[("text", "lemonade"), ("limit", "5")]).await;
    assert_eq!(first.items("orders").len(), 5);
    assert_eq!(first.json["total"], CRATES);
    // the documents score alike, so the order within a page must come from something else
    for sort in ["relevance", "newest", "total"] {
        let query = [("text", "lemonade"), ("sort", sort), ("limit", "5")];
        let all = api.walk("/orders", &query, "orders", "orderId").await;
        assert_eq!(all.len(), CRATES, "{sort}");
        if sort == "newest" {
            assert!(all.is_sorted_by(
                |newer, older| time(&newer["creationTime"]) >= time(&older["creationTime"])
            ));
        }
    }
}
