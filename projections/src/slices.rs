//! A view read in whole: its entities as they are stored, by ranges of ids, with the positions of
//! the same moment. Auditors read it so, and a new generation is compared with the old one by it.
//! It waits for nothing and judges nothing.

use futures_util::future::BoxFuture;
use sagas::Service;
use store::Positions;
use store::snapshot::IdRange;
use uuid::Uuid;

use crate::{QuarantinedEntity, ViewError};

/// An entity as a view has stored it.
#[derive(Debug)]
pub struct Stored<E> {
    /// Under which it is found.
    pub id: Uuid,
    /// How often it is found; one is right.
    pub hits: usize,
    /// An error when it cannot be read.
    pub entity: Result<E, ViewError>,
    /// Where what the view has stored beside the entity, to find and sort it by, says otherwise.
    pub disagreements: Vec<Disagreement>,
}

/// A view has something stored twice, and not the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disagreement {
    /// What it is about.
    pub what: &'static str,
    /// As the entity has it.
    pub entity: String,
    /// As it stands beside the entity.
    pub beside: String,
}

impl<E> Stored<E> {
    /// An entity that is there once, and of which nothing is stored beside it.
    #[must_use]
    pub fn once(id: Uuid, entity: Result<E, ViewError>) -> Self {
        Stored {
            id,
            hits: 1,
            entity,
            disagreements: Vec::new(),
        }
    }
}

/// The entities of a range, by id, and what the view had reached and given up at that moment, at
/// most.
#[derive(Debug)]
pub struct Slice<E> {
    /// Those of the range.
    pub entities: Vec<Stored<E>>,
    /// Up to where the view had taken events in, by source.
    pub positions: Positions,
    /// All entities in quarantine, within the range or not.
    pub quarantined: Vec<QuarantinedEntity>,
}

/// One generation of a view, opened to be read in whole. A slice shows at least what its positions
/// say.
pub trait ViewAudit<E>: Send + Sync {
    /// The entities of a service in a range of ids. The services asked for are those that the view
    /// follows.
    ///
    /// # Errors
    /// When the view store does not answer.
    fn slice(&self, service: Service, range: IdRange)
    -> BoxFuture<'_, Result<Slice<E>, ViewError>>;
}
