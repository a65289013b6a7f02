//! What a view is, as far as feeding, rebuilding and comparing it must know.
//!
//! The mechanism knows no entity of any service: it hands a view the messages of the services that
//! the view follows, and the view decodes them itself. Who builds a view names its types here, and
//! registers it with [`Views::add`](crate::Views::add).

use store::Message;

/// Names the types that belong together in one kind of view. It is never made a value of.
///
/// ```
/// use projections::projection::{EntityFold, Projection, ViewEntity};
/// use store::Message;
///
/// /// Shows in which room each guest is.
/// enum Guests {}
///
/// #[derive(PartialEq)]
/// struct Guest {
///     room: String,
///     version: u64,
/// }
///
/// impl ViewEntity for Guest {
///     fn version(&self) -> u64 {
///         self.version
///     }
/// }
///
/// #[derive(Default)]
/// struct GuestFold(Option<Guest>);
///
/// impl EntityFold for GuestFold {
///     type Entity = Guest;
///
///     fn take(&mut self, event: &Message) -> Result<(), String> {
///         let room = serde_json::from_str(event.body.get()).map_err(|error| error.to_string())?;
///         self.0 = Some(Guest { room, version: event.version });
///         Ok(())
///     }
///
///     fn into_entity(self) -> Option<Guest> {
///         self.0
///     }
/// }
///
/// impl Projection for Guests {
///     type Reader = dyn Fn(&str) -> Option<String> + Send + Sync;
///     type Entity = Guest;
///     type Fold = GuestFold;
/// }
/// ```
pub trait Projection: Send + Sync + 'static {
    /// What queries read from.
    type Reader: ?Sized + Send + Sync + 'static;
    /// An entity as the view takes it in whole; an enum where the view shows several kinds.
    type Entity: ViewEntity;
    /// How an entity comes about from its history.
    type Fold: EntityFold<Entity = Self::Entity>;
}

/// An entity as a view takes it in whole: copied from its service's rows, folded from its history,
/// or read back to be compared. Two that are equal show the same.
pub trait ViewEntity: PartialEq + Send + Sync + 'static {
    /// The version of the entity that it shows.
    fn version(&self) -> u64;
}

/// Folds the whole history of one entity. It begins empty, and takes every event from version 1 on,
/// in version order and without gaps: whoever calls it sees to that.
pub trait EntityFold: Default {
    /// What the history is folded into.
    type Entity: ViewEntity;

    /// Takes the next event in. One of a type that this release does not know advances the version
    /// and nothing else.
    ///
    /// # Errors
    /// Why the event cannot be the next, in words.
    fn take(&mut self, event: &Message) -> Result<(), String>;

    /// The entity after what was taken in; `None` before the first event.
    fn into_entity(self) -> Option<Self::Entity>;
}
