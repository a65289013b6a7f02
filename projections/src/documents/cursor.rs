//! Where a list goes on: the place of the last item shown, in the order of creation time, then id.
//!
//! It names a place, not an offset, so what is added or changed meanwhile moves nothing. The text
//! is opaque: base64url of which list it is, the time and the id.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use crate::ViewError;

/// The list a cursor belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum List {
    Customers,
    CustomerOrders,
}

impl List {
    const fn number(self) -> u8 {
        match self {
            List::Customers => 1,
            List::CustomerOrders => 2,
        }
    }
}

/// A place in a list, newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Microseconds.
    pub created_at: i64,
    /// Tells apart what was created in the same microsecond.
    pub id: Uuid,
}

impl Place {
    pub(super) fn to_cursor(self, list: List) -> String {
        let mut bytes = vec![list.number()];
        bytes.extend(self.created_at.to_be_bytes());
        bytes.extend(self.id.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    pub(super) fn from_cursor(text: &str, list: List) -> Result<Self, ViewError> {
        let parse = || {
            let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
            let (number, bytes) = bytes.split_first()?;
            let (created_at, id) = bytes.split_first_chunk::<8>()?;
            let id = Uuid::from_slice(id).ok()?;

            (*number == list.number()).then(|| Place {
                created_at: i64::from_be_bytes(*created_at),
                id,
            })
        };
        parse().ok_or_else(|| ViewError::InvalidQuery {
            field: "cursor",
            message: "must be the next of an earlier answer to the same query".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_in_its_own_list_alone() {
        let place = Place {
            created_at: -5,
            id: Uuid::from_u128(7),
        };
        let text = place.to_cursor(List::Customers);
        assert_eq!(Place::from_cursor(&text, List::Customers).unwrap(), place);
        for bad in [text.as_str(), "", "%", "AQ", "x"] {
            let error = Place::from_cursor(bad, List::CustomerOrders).unwrap_err();
            assert!(error.to_string().starts_with("cursor: must be"), "{error}");
        }
    }
}
