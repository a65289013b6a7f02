//! What the two views of the shop have in common: its events decoded, its documents, and the rows
//! of its services as documents.
//!
//! This, [`documents`] and [`search`] are all that knows customers and orders. They are registered
//! here, and nowhere else.

use std::sync::Arc;

use crate::documents::Documents;
use crate::entity_rows::EntityRows;
use crate::generations::ViewStore;
use crate::search::Search;
use crate::views::{Registration, RegistrationError, View, Views};
use crate::{documents, search};

pub mod document;
pub mod entity_documents;
pub mod event;
pub(crate) mod folded;
pub mod history_fold;
pub mod letters;
pub mod stored_rows;

pub use document::{CustomerDocument, CustomerOrder, Document, OrderDocument};
pub use event::{Event, Payload};
pub use stored_rows::StoredRows;

/// Where the generations of each view of the shop are.
#[derive(Clone, Debug)]
pub struct ViewStores {
    /// Those of the document view.
    pub documents: Arc<dyn ViewStore<Documents>>,
    /// Those of the search view.
    pub search: Arc<dyn ViewStore<Search>>,
}

impl ViewStores {
    /// Lets go of the connections of all of them; see [`ViewStore::close`].
    pub async fn close(&self) {
        self.documents.close().await;
        self.search.close().await;
    }
}

/// The shop's views, registered with the views of a node.
#[derive(Clone)]
pub struct ShopViews {
    /// Customers with their orders, and orders.
    pub documents: Arc<View<Documents>>,
    /// Orders found by their words.
    pub search: Arc<View<Search>>,
}

impl ShopViews {
    /// Registers the views of the shop and starts them. A generation may be built from `rows`.
    /// Call it inside the runtime that drives the log.
    ///
    /// # Errors
    /// As [`Views::add`].
    pub fn register<R>(
        views: &mut Views,
        stores: ViewStores,
        rows: Arc<R>,
    ) -> Result<Self, RegistrationError>
    where
        R: EntityRows<Document> + EntityRows<OrderDocument> + 'static,
    {
        Ok(ShopViews {
            documents: documents_view(views, stores.documents, rows.clone())?,
            search: search_view(views, stores.search, rows)?,
        })
    }
}

/// Registers the view of customers with their orders, and orders, and starts it; see
/// [`ShopViews::register`].
///
/// # Errors
/// As [`Views::add`].
pub fn documents_view<R>(
    views: &mut Views,
    store: Arc<dyn ViewStore<Documents>>,
    rows: Arc<R>,
) -> Result<Arc<View<Documents>>, RegistrationError>
where
    R: EntityRows<Document> + 'static,
{
    views.add(Registration {
        definition: documents::DEFINITION,
        store,
        rows,
    })
}

/// Registers the view of orders found by their words, and starts it; see [`ShopViews::register`].
///
/// # Errors
/// As [`Views::add`].
pub fn search_view<R>(
    views: &mut Views,
    store: Arc<dyn ViewStore<Search>>,
    rows: Arc<R>,
) -> Result<Arc<View<Search>>, RegistrationError>
where
    R: EntityRows<OrderDocument> + 'static,
{
    views.add(Registration {
        definition: search::DEFINITION,
        store,
        rows,
    })
}
