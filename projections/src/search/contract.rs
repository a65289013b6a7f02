//! The contract of every search backend, as tests. A backend joins with one line:
//!
//! ```ignore
//! search_contract!(embedded, || { /* make an empty place, return how to make the store on it */ });
//! ```
//!
//! The store is made and opened again and again by the tests that end a backend in the middle of
//! its work. A backend that needs a server says so as a third argument, an attribute that leaves
//! its tests out: `#[ignore = "needs …"]`.

use std::sync::Arc;

use domain::customer::CustomerCreated;
use domain::order::{NoDetails, OrderApproved, OrderCreated, OrderRejected};
use domain::{
    CustomerEvent, CustomerId, Money, OrderEvent, OrderId, OrderLine, OrderState, RejectionReason,
    ShardId, Timestamp,
};
use store::Positions;
use uuid::Uuid;

use crate::generations::{Opened, ViewStore};
use crate::search::elasticsearch::tests::place;
use crate::search::{EmbeddedSearchStore, Search, SearchPage, SearchQuery, SearchReader};
use crate::shop::{Event, OrderDocument, Payload};
use crate::testing::{DEPLOYMENT, message_of};
use crate::{Applied, ViewError, ViewWriter};

pub(crate) mod feeding;
pub(crate) mod finding;
pub(crate) mod keeping;
pub(crate) mod matching;
pub(crate) mod paging;
pub(crate) mod putting;
pub(crate) mod writing;

pub(crate) type Store = Arc<dyn ViewStore<Search>>;
/// Makes the store of one place, as a process does that starts.
pub(crate) type Open = Box<dyn Fn() -> Store>;

macro_rules! search_contract {
    ($backend:ident, $open:expr $(, #[$attribute:meta])*) => {
        mod $backend {
            use super::*;
            $crate::search::contract::search_rules! { $open; [$(#[$attribute])*];
                matching: every_word_must_match_somewhere_in_the_order,
                matching: case_accents_and_plural_do_not_matter,
                matching: a_star_makes_a_prefix,
                matching: quotes_make_a_phrase_within_one_value,
                matching: a_split_word_is_a_phrase,
                matching: operators_are_plain_text,
                matching: a_text_without_a_word_finds_nothing,
                finding: filters_are_inclusive_and_all_must_hold,
                finding: highlights_show_what_matched,
                finding: any_text_is_answered,
                finding: a_prefix_of_thousands_of_words_finds_them_all,
                finding: an_order_of_500_lines_is_found_by_each_and_by_no_phrase_across_them,
                matching: odd_writing_is_found_as_it_is_written,
                writing: another_case_accent_or_form_of_a_text_is_found,
                writing: a_word_inside_a_text_without_blanks_is_found,
                writing: plurals_are_united_and_other_words_are_not,
                writing: highlights_show_a_text_as_it_is_written,
                finding: what_cannot_be_asked_is_refused_by_name,
                paging: pages_of_every_sort_show_each_order_once_in_order,
                paging: a_cursor_holds_while_orders_come_in,
                paging: the_best_match_comes_first_and_its_score_is_its_own,
                paging: scores_are_the_same_everywhere,
                feeding: an_order_is_one_hit_in_its_newest_state,
                feeding: nothing_is_visible_before_its_commit,
                feeding: redelivered_events_are_duplicates,
                feeding: a_gap_names_the_version_it_begins_at,
                feeding: events_of_customers_are_taken_and_positions_advance,
                feeding: a_crash_loses_what_was_not_committed_and_nothing_else,
                feeding: the_positions_of_a_commit_may_follow_with_the_next,
                feeding: an_event_after_a_restart_continues_the_stored_document,
                feeding: a_full_buffer_loses_nothing,
                feeding: beginning_again_from_the_positions_drops_what_was_not_committed,
                feeding: an_event_out_of_place_is_damage_and_changes_nothing,
                putting: a_whole_order_replaces_what_there_is_whatever_its_version,
                putting: events_go_on_from_a_whole_order,
                putting: a_creation_that_is_announced_and_repeated_undoes_no_whole_order,
                putting: a_whole_order_is_invisible_before_its_commit_and_lost_by_a_crash,
                keeping: the_catalog_saved_last_is_read_back,
                keeping: a_catalog_does_not_take_the_place_of_a_newer_one,
                keeping: what_is_another_deployments_is_neither_written_nor_deleted,
                keeping: generations_are_apart,
                keeping: a_discarded_generation_begins_empty,
                keeping: what_is_in_quarantine_is_kept_and_let_go,
                keeping: an_audit_reads_every_order_of_a_range_once,
            }
        }
    };
}
macro_rules! search_rules {
    ($open:expr; $attributes:tt; $($area:ident: $rule:ident,)*) => {
        $($crate::search::contract::search_rule! { $open; $attributes; $area $rule })*
    };
}
macro_rules! search_rule {
    ($open:expr; [$(#[$attribute:meta])*]; $area:ident $rule:ident) => {
        #[test]
        $(#[$attribute])*
        fn $rule() {
            $crate::search::contract::$area::$rule(&mut $crate::search::contract::Shop::new($open()));
        }
    };
}
pub(crate) use {search_rule, search_rules};

search_contract!(embedded, || {
    let folder = tempfile::tempdir().unwrap();
    let open: Open = Box::new(move || Arc::new(EmbeddedSearchStore::new(folder.path())));
    open
});

search_contract!(
    elasticsearch,
    place,
    #[ignore = "needs Elasticsearch: COUNTERFOIL_TEST_ELASTICSEARCH_URL"]
);

/// A shop whose orders are fed into a backend, and searched.
pub(crate) struct Shop {
    open: Open,
    store: Store,
    opened: Option<Opened<Search>>,
    runtime: tokio::runtime::Runtime,
    sequence: u64,
}

pub(crate) const SHARD: ShardId = ShardId::new(domain::ORDERS, 3);

impl Shop {
    pub(crate) fn new(open: Open) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_time()
            .build()
            .unwrap();

        let store = open();
        let opened = Some(runtime.block_on(store.open(1, DEPLOYMENT)).unwrap());

        Shop {
            open,
            store,
            opened,
            runtime,
            sequence: 0,
        }
    }

    /// Ends the backend as a crash does, and opens it again.
    fn crash(&mut self) {
        self.opened = None;
        self.store = (self.open)();
        self.opened = Some(self.open_generation(1));
    }

    fn open_generation(&self, generation: u32) -> Opened<Search> {
        self.runtime
            .block_on(self.store.open(generation, DEPLOYMENT))
            .unwrap()
    }

    fn writer(&mut self) -> &mut dyn ViewWriter<OrderDocument> {
        self.opened.as_mut().unwrap().writer.as_mut()
    }

    fn reader(&self) -> &dyn SearchReader {
        self.opened.as_ref().unwrap().reader.as_ref()
    }

    fn event(&mut self, order: u128, version: u64, change: OrderEvent) -> Event {
        self.sequence += 1;
        Event {
            source: SHARD,
            sequence: self.sequence,
            entity: Uuid::from_u128(order),
            version,
            time: Timestamp::from_micros(1_000),
            payload: Payload::Order(change),
        }
    }

    fn apply(&mut self, event: &Event) -> Applied {
        self.try_apply(event).unwrap()
    }

    fn try_apply(&mut self, event: &Event) -> Result<Applied, ViewError> {
        self.writer().apply(&message_of(event))
    }

    fn change(&mut self, order: u128, version: u64, change: OrderEvent) -> Applied {
        let event = self.event(order, version, change);
        self.apply(&event)
    }

    fn create(&mut self, order: &Sample) {
        let mut event = self.event(order.id, 1, order.created());
        event.time = Timestamp::from_micros(order.time);
        assert_eq!(self.apply(&event), Applied::Taken);
    }

    fn approve(&mut self, order: u128, name: &str) {
        assert_eq!(self.change(order, 2, approved(Some(name))), Applied::Taken);
    }

    /// Creates and approves, for a customer with this name.
    fn sell(&mut self, order: &Sample, name: &str) {
        self.create(order);
        self.approve(order.id, name);
    }

    fn commit(&mut self) {
        self.commit_unfinished();
        self.writer().finish().unwrap();
    }

    fn commit_unfinished(&mut self) {
        let positions = self.reached();
        self.writer().commit(&positions).unwrap();
    }

    fn reached(&self) -> Positions {
        Positions::from([(SHARD, self.sequence)])
    }

    fn try_search(&self, query: SearchQuery) -> Result<SearchPage, ViewError> {
        self.runtime.block_on(self.reader().search(query))
    }

    fn search(&self, query: SearchQuery) -> SearchPage {
        self.try_search(query).unwrap()
    }

    /// The ids found, smallest first; the total must be their number.
    fn ids(&self, query: SearchQuery) -> Vec<u128> {
        let page = self.search(SearchQuery {
            limit: 200,
            ..query
        });
        let mut ids: Vec<u128> = page
            .hits
            .iter()
            .map(|hit| hit.document.order_id.0.as_u128())
            .collect();
        assert_eq!(page.total, ids.len() as u64);
        ids.sort_unstable();
        ids
    }

    fn find(&self, text: &str) -> Vec<u128> {
        self.ids(SearchQuery {
            text: Some(text.to_owned()),
            ..SearchQuery::default()
        })
    }

    /// What waiting readers are told; 0 when the order is unknown.
    fn versions_of(&self, orders: &[u128]) -> Vec<u64> {
        let entities: Vec<_> = orders
            .iter()
            .map(|order| (domain::ORDERS, Uuid::from_u128(*order)))
            .collect();
        let versions = &self.opened.as_ref().unwrap().versions;
        self.runtime
            .block_on(versions.versions_of(&entities))
            .unwrap()
    }

    fn version_of(&self, order: u128) -> Option<u64> {
        self.runtime
            .block_on(self.reader().version_of(OrderId(Uuid::from_u128(order))))
            .unwrap()
    }
}

/// An order to be.
#[derive(Clone)]
pub(crate) struct Sample {
    id: u128,
    customer: u128,
    total: i64,
    time: i64,
    lines: Vec<OrderLine>,
    note: Option<String>,
}

impl Sample {
    fn new(id: u128) -> Self {
        Sample {
            id,
            customer: 1,
            total: 100,
            time: 1_000,
            lines: Vec::new(),
            note: None,
        }
    }

    fn line(mut self, sku: &str, name: &str) -> Self {
        let unit_price = Money::from_cents(100);
        self.lines.push(OrderLine {
            sku: sku.to_owned(),
            name: name.to_owned(),
            quantity: 1,
            unit_price,
        });
        self
    }

    fn note(mut self, note: &str) -> Self {
        self.note = Some(note.to_owned());
        self
    }

    /// The order as a whole, at this version.
    fn document(&self, version: u64, state: OrderState) -> OrderDocument {
        OrderDocument {
            order_id: OrderId(Uuid::from_u128(self.id)),
            customer_id: CustomerId(Uuid::from_u128(self.customer)),
            customer_name: Some("Ada Park".to_owned()),
            order_total: Money::from_cents(self.total),
            state,
            rejection_reason: None,
            lines: self.lines.clone(),
            note: self.note.clone(),
            creation_time: Timestamp::from_micros(self.time),
            version,
        }
    }

    fn created(&self) -> OrderEvent {
        OrderEvent::Created(OrderCreated {
            customer_id: CustomerId(Uuid::from_u128(self.customer)),
            order_total: Money::from_cents(self.total),
            lines: self.lines.clone(),
            note: self.note.clone(),
            coordination: domain::Coordination::default(),
        })
    }
}

fn approved(name: Option<&str>) -> OrderEvent {
    OrderEvent::Approved(OrderApproved {
        customer_name: name.map(str::to_owned),
        customer_version: None,
    })
}

fn rejected() -> OrderEvent {
    OrderEvent::Rejected(OrderRejected {
        reason: RejectionReason::InsufficientCredit,
        customer_name: None,
        release: None,
        customer_version: None,
    })
}

fn shipped() -> OrderEvent {
    OrderEvent::Shipped(NoDetails {})
}

fn customer_created() -> CustomerEvent {
    CustomerEvent::Created(CustomerCreated {
        name: "Ada Park".to_owned(),
        credit_limit: Money::from_cents(1),
    })
}
