//! Servers that are not there, hang, or are named wrongly.

use super::*;

#[test]
fn a_server_that_is_not_there_is_told_and_not_waited_for() {
    let runtime = runtime();
    // Nothing listens on this port, and the URL is read all the same.
    let url = "mongodb://127.0.0.1:1/shop?serverSelectionTimeoutMS=100";

    let store = runtime
        .block_on(MongoDocumentStore::new(
            url,
            "unused",
            runtime.handle().clone(),
        ))
        .unwrap();

    let begun = Instant::now();
    let error = runtime.block_on(store.open(1, DEPLOYMENT)).err().unwrap();
    assert!(matches!(error, ViewError::Unavailable { .. }), "{error}");

    let connection = runtime
        .block_on(connection::Connection::new(
            url,
            "unused",
            runtime.handle().clone(),
        ))
        .unwrap();
    assert_eq!(connection.database.name(), "shop");
    let reader = reader::MongoDocumentReader::new(connection, Names::of(1));
    let asked = [(domain::ORDERS, Uuid::nil())];

    assert!(
        runtime
            .block_on(reader.versions_of(&asked))
            .unwrap_err()
            .is_transient()
    );

    assert!(
        runtime
            .block_on(reader.count_customers())
            .unwrap_err()
            .is_transient()
    );

    assert!(begun.elapsed() < READ_BOUND);
}

/// A server that takes connections and never says a word, as one that is stopped.
#[test]
fn a_server_that_hangs_is_given_up() {
    let runtime = runtime();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();

    let url = format!(
        "mongodb://{}/?serverSelectionTimeoutMS=100000",
        listener.local_addr().unwrap()
    );

    let connection = runtime
        .block_on(connection::Connection::new(
            &url,
            "shop",
            runtime.handle().clone(),
        ))
        .unwrap();
    let database = connection.database.clone();

    let bound = std::time::Duration::from_millis(100);
    let asking = connection.run(
        bound,
        async move { positions::committed(&database, 1).await },
    );
    assert!(runtime.block_on(asking).unwrap_err().is_transient());
}

#[test]
fn a_url_that_is_none_is_refused_by_name() {
    let runtime = runtime();
    for (url, told) in [
        ("mongodb://", "host"),
        ("http://x", "scheme"),
        ("mongodb://h/?w=many&ssl=x", "ssl"),
    ] {
        let made = runtime.block_on(MongoDocumentStore::new(
            url,
            "shop",
            runtime.handle().clone(),
        ));
        let error = made.unwrap_err().to_string();
        assert!(error.to_lowercase().contains(told), "{url}: {error}");
    }
}
