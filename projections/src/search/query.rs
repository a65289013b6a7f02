//! The query model of every search backend: what may be asked, checked and made ready.
//!
//! Pages are cut by key, not by number: a cursor names the last hit of its page by the sort's whole
//! key, and the next page begins after it. Since no part of a key changes while other orders come
//! in, no order is shown twice or left out by that.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{CustomerId, Money, OrderState, Timestamp};
use uuid::Uuid;

use crate::ViewError;
use crate::search::text::{self, Term};

/// The default of [`SearchQuery::limit`].
pub const DEFAULT_LIMIT: usize = 20;
/// A page has at most this many hits.
pub const MAX_LIMIT: usize = 200;

/// A query as a caller asks it. All conditions must hold; bounds are inclusive.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchQuery {
    /// See [`mod@text`] for what it may hold.
    pub text: Option<String>,
    /// In this state.
    pub state: Option<OrderState>,
    /// Of this customer.
    pub customer_id: Option<CustomerId>,
    /// Of at least this total.
    pub min_total: Option<Money>,
    /// Of at most this total.
    pub max_total: Option<Money>,
    /// Created at this time or later.
    pub since: Option<Timestamp>,
    /// Created at this time or before.
    pub until: Option<Timestamp>,
    /// By default by relevance with a text, else newest first.
    pub sort: Option<Sort>,
    /// 1 to [`MAX_LIMIT`].
    pub limit: usize,
    /// [`SearchPage::next`](crate::search::SearchPage::next) of the page before, with the same
    /// query.
    pub cursor: Option<String>,
}

impl Default for SearchQuery {
    fn default() -> Self {
        SearchQuery {
            text: None,
            state: None,
            customer_id: None,
            min_total: None,
            max_total: None,
            since: None,
            until: None,
            sort: None,
            limit: DEFAULT_LIMIT,
            cursor: None,
        }
    }
}

/// The order of hits. Ties go by creation time, newest first, then by id, largest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// Best match first. Without a text all match alike.
    Relevance,
    /// By creation time to the microsecond, newest first.
    Newest,
    /// Largest total first.
    Total,
}

impl Sort {
    /// All of them.
    pub const ALL: [Sort; 3] = [Sort::Relevance, Sort::Newest, Sort::Total];

    /// As it stands in the query string.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Sort::Relevance => "relevance",
            Sort::Newest => "newest",
            Sort::Total => "total",
        }
    }

    /// The sort of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Sort> {
        Sort::ALL.into_iter().find(|sort| sort.name() == name)
    }

    /// The sort's letter in cursors. Never reused.
    const fn letter(self) -> u8 {
        match self {
            Sort::Relevance => b'r',
            Sort::Newest => b'n',
            Sort::Total => b't',
        }
    }
}

/// A hit's place in the order of hits: the larger key comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SortKey {
    /// What is sorted by: the score's rank, the creation time in microseconds, or the total in
    /// cents.
    pub rank: i64,
    /// The creation time in microseconds.
    pub created: i64,
    /// The order's id.
    pub id: u128,
}

/// A query that was checked: what a backend works on.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// `None`: every order. An empty list asks for nothing and finds nothing.
    pub terms: Option<Vec<Term>>,
    /// In this state.
    pub state: Option<OrderState>,
    /// Of this customer.
    pub customer_id: Option<CustomerId>,
    /// Of at least this total.
    pub min_total: Option<Money>,
    /// Of at most this total.
    pub max_total: Option<Money>,
    /// Created at this time or later.
    pub since: Option<Timestamp>,
    /// Created at this time or before.
    pub until: Option<Timestamp>,
    /// In which order hits come.
    pub sort: Sort,
    /// How many hits a page has at most.
    pub limit: usize,
    /// Only hits with a smaller key are on this page.
    pub after: Option<SortKey>,
}

impl Prepared {
    /// Whether hits are sorted by how well they match.
    #[must_use]
    pub fn is_scored(&self) -> bool {
        self.sort == Sort::Relevance && self.terms.is_some()
    }
}

impl SearchQuery {
    /// Checks the query and reads its text and cursor.
    ///
    /// # Errors
    /// [`ViewError::InvalidQuery`] naming `text`, `limit` or `cursor`.
    pub fn prepare(&self) -> Result<Prepared, ViewError> {
        let terms = self.text.as_deref().map(text::parse).transpose()?;

        if !(1..=MAX_LIMIT).contains(&self.limit) {
            let message = format!("must be a number from 1 to {MAX_LIMIT}");
            return Err(ViewError::InvalidQuery {
                field: "limit",
                message,
            });
        }

        let sort = self.sort.unwrap_or(if terms.is_some() {
            Sort::Relevance
        } else {
            Sort::Newest
        });

        let after = self
            .cursor
            .as_deref()
            .map(|cursor| read_cursor(sort, cursor))
            .transpose()?;

        Ok(Prepared {
            terms,
            state: self.state,
            customer_id: self.customer_id,
            min_total: self.min_total,
            max_total: self.max_total,
            since: self.since,
            until: self.until,
            sort,
            limit: self.limit,
            after,
        })
    }
}

/// The cursor of the page after the hit at `key`.
#[must_use]
pub fn write_cursor(sort: Sort, key: SortKey) -> String {
    let mut bytes = vec![sort.letter()];
    bytes.extend(key.rank.to_be_bytes());
    bytes.extend(key.created.to_be_bytes());
    bytes.extend(key.id.to_be_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

fn read_cursor(sort: Sort, cursor: &str) -> Result<SortKey, ViewError> {
    let invalid = || {
        let message = "must be the next of an earlier answer to the same query".to_owned();
        ViewError::InvalidQuery {
            field: "cursor",
            message,
        }
    };
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| invalid())?;
    let (letter, rest) = bytes.split_first_chunk::<1>().ok_or_else(invalid)?;
    let (rank, rest) = rest.split_first_chunk::<8>().ok_or_else(invalid)?;
    let (created, rest) = rest.split_first_chunk::<8>().ok_or_else(invalid)?;
    let id: [u8; 16] = rest.try_into().map_err(|_| invalid())?;

    if *letter != [sort.letter()] {
        return Err(invalid());
    }

    Ok(SortKey {
        rank: i64::from_be_bytes(*rank),
        created: i64::from_be_bytes(*created),
        id: Uuid::from_bytes(id).as_u128(),
    })
}

#[cfg(test)]
mod tests;
