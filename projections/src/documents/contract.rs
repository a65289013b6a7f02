//! The contract of every document store, as tests. A backend joins with one line:
//!
//! ```ignore
//! document_contract!(sqlite, place); // makes an empty place for a runtime and returns how to open it
//! ```
//!
//! What is opened is opened again and again by the tests that end a backend in the middle of its
//! work.

use std::sync::Arc;

use domain::{CustomerId, OrderId, Service};
use store::{Destination, Log as _, Message, Positions};
use tokio::runtime::{Builder, Handle, Runtime};
use uuid::Uuid;

use super::sqlite::SqliteDocumentStore;
use super::{CustomerWithOrders, CustomersQuery, DocumentReader, Documents};
use crate::generations::{Opened, ViewStore};
use crate::port::{Applied, ViewWriter};
use crate::shop::{CustomerDocument, CustomerOrder, Document, Event, OrderDocument};
use crate::testing::{DEPLOYMENT, Shop};

pub(crate) mod correcting;
pub(crate) mod feeding;
pub(crate) mod finding;
pub(crate) mod keeping;
pub(crate) mod reading;

pub(crate) type Store = Box<dyn ViewStore<Documents>>;
/// Opens the same place again and again; what it holds goes when it is dropped.
pub(crate) type Open = Box<dyn Fn() -> Store>;

macro_rules! document_contract {
    ($(#[$attribute:meta])* $backend:ident, $open:expr) => {
        mod $backend {
            $crate::documents::contract::document_rules! { { $(#[$attribute])* } $open;
                reading: a_customer_shows_its_newest_orders_bounded_and_in_order,
                finding: customers_are_found_by_name_and_time,
                finding: customers_are_found_however_their_names_are_written,
                finding: customers_are_found_by_one_order_that_is_all_that_is_asked_for,
                finding: customers_are_found_by_orders_that_they_show_no_longer,
                finding: customers_with_a_rare_or_a_common_order_are_found_among_many,
                reading: pages_of_customers_lose_and_repeat_nothing,
                reading: pages_of_orders_lose_and_repeat_nothing_while_orders_are_added_and_changed,
                reading: a_cursor_of_another_list_is_refused,
                reading: what_is_not_there_is_none_and_its_version_zero,
                reading: an_answer_asks_for_no_less_than_it_shows,
                feeding: nothing_is_visible_before_the_commit_and_the_rest_is_dropped,
                feeding: repeats_and_gaps_are_told,
                feeding: an_old_state_replaces_no_newer_one,
                feeding: an_order_of_an_unknown_customer_makes_no_customer,
                feeding: the_customer_that_comes_after_its_orders_shows_them,
                feeding: a_late_event_does_not_bring_back_an_order_that_is_shown_no_longer,
                feeding: whatever_the_order_of_the_topics_and_wherever_it_crashes_the_end_is_the_same,
                feeding: a_batch_written_whose_positions_are_not_stored_is_written_again_without_effect,
                feeding: an_unknown_event_advances_the_version_alone,
                correcting: a_corrected_limit_is_shown_and_credit_goes_on_from_it,
                feeding: an_event_out_of_place_is_damage_and_changes_nothing,
                feeding: whole_documents_replace_what_there_is_and_events_go_on_from_them,
                keeping: the_catalog_saved_last_is_read_back,
                keeping: a_catalog_does_not_take_the_place_of_a_newer_one,
                keeping: what_is_another_deployments_is_neither_written_nor_deleted,
                keeping: generations_are_apart_and_a_discarded_one_begins_empty,
                keeping: what_is_in_quarantine_is_kept_and_let_go,
                keeping: an_audit_reads_every_document_of_a_range_once,
            }
        }
    };
}
macro_rules! document_rules {
    ($attributes:tt $open:expr; $($area:ident: $rule:ident,)*) => {
        $($crate::documents::contract::document_rule! { $attributes $open; $area: $rule })*
    };
}
macro_rules! document_rule {
    ({ $(#[$attribute:meta])* } $open:expr; $area:ident: $rule:ident) => {
        #[test]
        $(#[$attribute])*
        fn $rule() {
            $crate::documents::contract::$area::$rule(&mut $crate::documents::contract::Case::new($open));
        }
    };
}
pub(crate) use {document_rule, document_rules};

document_contract!(sqlite, crate::documents::contract::sqlite_place);

document_contract!(
    #[ignore = "needs MongoDB: COUNTERFOIL_TEST_MONGODB_URL"]
    mongodb,
    crate::documents::mongodb::testing::place
);

fn sqlite_place(_runtime: &Handle) -> Open {
    let directory = tempfile::tempdir().unwrap();
    Box::new(move || Box::new(SqliteDocumentStore::new(directory.path())))
}

/// A shop whose events are fed into a store, and the queries that are answered from it.
pub(crate) struct Case {
    pub shop: Shop,
    pub positions: Positions,
    pub store: Store,
    opened: Option<Opened<Documents>>,
    open: Open,
    /// The last to be dropped: what is opened ends on it.
    pub runtime: Runtime,
}

impl Case {
    pub(crate) fn new(place: impl FnOnce(&Handle) -> Open) -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let open = place(runtime.handle());
        let store = open();
        let opened = Some(runtime.block_on(store.open(1, DEPLOYMENT)).unwrap());

        Case {
            shop: Shop::new(),
            positions: Positions::new(),
            store,
            opened,
            open,
            runtime,
        }
    }

    /// Ends the store as a crash does and opens it again: what was stored is what is known.
    fn crash(&mut self) {
        self.opened = None;
        self.store = (self.open)();
        self.opened = Some(
            self.runtime
                .block_on(self.store.open(1, DEPLOYMENT))
                .unwrap(),
        );
        self.positions = self.writer().positions().unwrap();
    }

    fn writer(&mut self) -> &mut dyn ViewWriter<Document> {
        self.opened.as_mut().unwrap().writer.as_mut()
    }

    fn reader(&self) -> &dyn DocumentReader {
        &*self.opened.as_ref().unwrap().reader
    }

    fn apply(&mut self, message: &Message) -> Applied {
        self.writer().apply(message).unwrap()
    }

    fn commit(&mut self) {
        let positions = self.positions.clone();
        self.writer().commit(&positions).unwrap();
        self.writer().finish().unwrap();
    }

    /// What the log has of some services that is not applied yet, in its order, service by service.
    fn waiting(&self, services: &[Service]) -> Vec<Message> {
        let mut waiting = Vec::new();

        for service in services {
            for source in self
                .shop
                .log
                .sources()
                .into_iter()
                .filter(|source| source.service == *service)
            {
                let position = self.positions.get(&source).copied().unwrap_or(0);
                let read = self
                    .shop
                    .log
                    .read(source, Destination::Events, position, usize::MAX);
                waiting.extend(self.runtime.block_on(read).unwrap());
            }
        }

        waiting
    }

    /// Applies messages and moves the positions, without a commit.
    fn take(&mut self, messages: &[Message]) {
        let entities: Vec<_> = messages
            .iter()
            .map(|message| (message.source.service, message.entity, message.version))
            .collect();
        self.writer().prepare(&entities).unwrap();

        for message in messages {
            let applied = self.apply(message);
            assert!(
                matches!(applied, Applied::Taken | Applied::Duplicate),
                "{applied:?}"
            );
            self.positions.insert(message.source, message.sequence);
        }
    }

    /// Applies all that the shop has brought about, in one commit.
    fn project(&mut self) {
        self.take(&self.waiting(&domain::SERVICES));
        self.commit();
    }

    fn customer(&self, number: u128) -> Option<CustomerWithOrders> {
        self.runtime
            .block_on(self.reader().customer(customer_id(number), 100))
            .unwrap()
            .value
    }

    fn order(&self, number: u128) -> Option<OrderDocument> {
        self.runtime
            .block_on(self.reader().order(OrderId(Uuid::from_u128(number))))
            .unwrap()
            .value
    }

    fn count(&self) -> u64 {
        self.runtime
            .block_on(self.reader().count_customers())
            .unwrap()
            .value
    }

    fn versions(&self, entities: &[(Service, u128)]) -> Vec<u64> {
        let entities: Vec<_> = entities
            .iter()
            .map(|(service, id)| (*service, Uuid::from_u128(*id)))
            .collect();
        let versions = &self.opened.as_ref().unwrap().versions;
        self.runtime
            .block_on(versions.versions_of(&entities))
            .unwrap()
    }

    /// The customers found, newest first.
    fn found(&self, query: CustomersQuery) -> Vec<CustomerDocument> {
        let query = CustomersQuery {
            limit: 200,
            ..query
        };
        let page = self
            .runtime
            .block_on(self.reader().customers(query))
            .unwrap()
            .value;
        assert_eq!(page.next, None);
        page.items
    }

    fn names(&self, query: CustomersQuery) -> Vec<String> {
        self.found(query)
            .into_iter()
            .map(|customer| customer.name)
            .collect()
    }

    fn assert_shows_the_customers(&self) {
        assert_eq!(self.count(), self.shop.customers.len() as u64);
        for (id, customer) in &self.shop.customers {
            assert_eq!(
                self.customer(id.as_u128()).unwrap().customer,
                customer.clone().into()
            );
        }
    }

    /// Everything is shown as the shop has it.
    fn assert_shows_the_shop(&self) {
        self.assert_shows_the_customers();

        for id in self.shop.customers.keys() {
            let shown = self.customer(id.as_u128()).unwrap();
            let mut orders: Vec<_> = self
                .shop
                .orders
                .values()
                .filter(|(order, _)| order.customer_id.0 == *id)
                .map(expected_part)
                .collect();
            orders.sort_by_key(|order| std::cmp::Reverse((order.creation_time, order.order_id)));
            orders.truncate(100);
            assert_eq!(shown.orders, orders);
        }

        for (id, order) in &self.shop.orders {
            assert_eq!(self.order(id.as_u128()), Some(order_document(order)));
            assert_eq!(
                self.versions(&[(domain::ORDERS, id.as_u128())]),
                [order.0.version]
            );
        }
    }
}

fn decode(message: &Message) -> Event {
    Event::decode(message).unwrap()
}

fn customer_id(number: u128) -> CustomerId {
    CustomerId(Uuid::from_u128(number))
}

fn expected_part((order, _): &(domain::Order, domain::order::OrderCreated)) -> CustomerOrder {
    CustomerOrder {
        order_id: order.id,
        state: order.state,
        order_total: order.total,
        rejection_reason: order.rejection_reason,
        creation_time: order.created_at,
        version: order.version,
    }
}

fn order_document(
    (order, created): &(domain::Order, domain::order::OrderCreated),
) -> OrderDocument {
    OrderDocument::of(order.clone(), created.clone())
}

/// One message of an `Arc`, as the log delivers it.
fn plain(messages: impl IntoIterator<Item = Arc<Message>>) -> Vec<Message> {
    messages
        .into_iter()
        .map(|message| (*message).clone())
        .collect()
}
