//! Which views a node shows: those that it feeds, and those on servers, which another node may
//! feed.

use std::sync::Arc;

use projections::documents::{self, Documents};
use projections::search::{self, Search};
use projections::shop::{documents_view, search_view};
use projections::views::View;
use projections::{Projection, StoredRows, ViewStores, Views};

use crate::config::{Config, DocumentsBackend, Role, SearchBackend};
use crate::ports::{ReadError, VIEWS};

/// The views of the shop, as far as this node shows them.
#[derive(Clone)]
pub(super) struct ShownViews {
    documents: Option<Arc<View<Documents>>>,
    search: Option<Arc<View<Search>>>,
}

impl ShownViews {
    /// Registers the views and starts them. An embedded one that this node does not feed nobody
    /// else could.
    ///
    /// # Errors
    /// As [`Views::add`].
    pub(super) fn register(
        config: &Config,
        views: &mut Views,
        stores: ViewStores,
        rows: Arc<StoredRows>,
    ) -> anyhow::Result<Self> {
        let feeds = config.has(Role::Projections);
        let mut shown = ShownViews {
            documents: None,
            search: None,
        };
        if feeds || config.documents_url != DocumentsBackend::Embedded {
            shown.documents = Some(documents_view(views, stores.documents, rows.clone())?);
        }
        if feeds || config.search_url != SearchBackend::Embedded {
            shown.search = Some(search_view(views, stores.search, rows)?);
        }
        Ok(shown)
    }

    pub(super) fn documents(&self) -> Result<&View<Documents>, ReadError> {
        shown(self.documents.as_deref(), documents::VIEW)
    }

    pub(super) fn search(&self) -> Result<&View<Search>, ReadError> {
        shown(self.search.as_deref(), search::VIEW)
    }
}

fn shown<'a, P: Projection>(
    view: Option<&'a View<P>>,
    name: &'static str,
) -> Result<&'a View<P>, ReadError> {
    view.ok_or(ReadError::NotShown { view: name })
}

/// Why there is no view of this name here.
pub(super) fn absent(name: &str) -> ReadError {
    match VIEWS.into_iter().find(|known| *known == name) {
        Some(view) => ReadError::NotShown { view },
        None => ReadError::NotFound(UNKNOWN),
    }
}

/// What there is none of, with what there is.
const UNKNOWN: &str = "view; there are documents and search";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_names_an_unknown_view_hears_the_names_of_all() {
        let ReadError::NotFound(told) = absent("orders") else {
            panic!("it is known");
        };
        for view in VIEWS {
            assert!(told.contains(view), "{told}");
        }
    }
}
