//! Where the generations of a view are kept.
//!
//! A view that is rebuilt exists more than once for a while: the generation that answers, the one
//! that is built beside it, and after the swap the one that has answered before, fed on so that one
//! command goes back to it. Each is a store of its own with positions of its own; a [`ViewStore`]
//! opens and discards them and keeps the [`Catalog`] that says which is which. What is done with
//! them, and when, is not decided here; nor is what follows when one is damaged: a store only says
//! so ([`ViewError::Damaged`]), and never empties or replaces anything by itself.

use std::fmt;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use sagas::{Fingerprint, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ViewError;
use crate::port::{VersionReader, ViewWriter};
use crate::projection::Projection;
use crate::slices::ViewAudit;

mod catalog;
pub mod file;
pub mod folder;

/// From what a generation is built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum BuildFrom {
    /// All events, from the first on.
    #[default]
    History,
    /// The entities as they stand in their services' databases, then the events since.
    Entities,
}

/// How far a generation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Stage {
    /// The entities' rows are being copied. Interrupted, it begins anew with an empty store.
    Copying,
    /// It reads events and has not reached yet what the answering generation has.
    CatchingUp,
    /// It could answer.
    Ready,
}

/// One generation of a view, as the catalog has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Generation {
    /// From 1 on; never used twice for a view.
    pub number: u32,
    /// The definition of the view that it was built by; another one means that it must be built
    /// anew.
    pub definition: u32,
    /// From what it was built, or is.
    pub from: BuildFrom,
    /// How far it has come.
    pub stage: Stage,
    /// When its building was begun.
    pub begun_at: Timestamp,
    /// When another one has begun to answer in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_at: Option<Timestamp>,
}

/// The generations of a view that exist, and the one that answers. Whoever saves it swaps the view:
/// the catalog is written as a whole, or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Catalog {
    /// The number of the generation that answers; `None` while the first is built.
    pub live: Option<u32>,
    /// By number.
    pub generations: Vec<Generation>,
    /// The largest number given so far.
    pub newest: u32,
    /// The deployment whose view this is; absent in the catalogs of releases before this, which
    /// belong to whoever starts on them first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<Uuid>,
    /// What operators have asked for with a key, and what came of it, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bound: Vec<Bound>,
    /// One more than that of the catalog that it follows on; 0 in those of releases before this,
    /// and in one that follows on none.
    #[serde(default)]
    pub revision: u64,
}

/// The key of an operator's request, with what it asks for, so that a repeat is told from another
/// request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// As the operator has sent it.
    pub key: Uuid,
    /// Of all that the request asks for.
    pub fingerprint: Fingerprint,
}

/// A request that has had its effect: a repeat of it has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    /// What was asked for, and with which key.
    pub by: Binding,
    /// The generation that was begun, or gone back to.
    pub generation: u32,
}

/// A generation of which there is something in a store, whatever the catalog says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The generation's.
    pub number: u32,
    /// The deployment that has made it, where the store says so.
    pub deployment: Option<Uuid>,
}

/// Both sides of an open generation.
pub struct Opened<P: Projection> {
    /// What its projector writes through.
    pub writer: Box<dyn ViewWriter<P::Entity>>,
    /// What queries read from.
    pub reader: Arc<P::Reader>,
    /// What it has taken in, for readers who wait.
    pub versions: Arc<dyn VersionReader>,
}

/// A generation of a view, opened to be read in whole.
pub type Audit<P> = Box<dyn ViewAudit<<P as Projection>::Entity>>;

/// The store of all generations of one view.
///
/// Every method fails with [`ViewError::Unavailable`] when the store does not answer; that may be
/// tried again. What has a deployment's id as a parameter changes nothing of another deployment and
/// fails with [`ViewError::Foreign`] where it would.
pub trait ViewStore<P: Projection>: Send + Sync + fmt::Debug {
    /// How the store is named in `GET /views`.
    fn backend(&self) -> &'static str;

    /// Whether other deployments may use it too, by mistake: a server. What a node has in its own
    /// folder is its own.
    fn is_shared(&self) -> bool;

    /// The catalog saved last; the empty one when there is none. [`ViewError::Damaged`] when what
    /// is there is no catalog.
    fn catalog(&self) -> BoxFuture<'_, Result<Catalog, ViewError>>;

    /// Saves the catalog, durable when it returns, as one write: a crash leaves the one before or
    /// this one. What stands in its place and is no catalog gives way; the catalog of another
    /// deployment than this one's does not. Nor does, in a shared store, one of the same revision
    /// or a later one ([`ViewError::Unavailable`]): another node has saved it meanwhile. One of
    /// revision 0 is not compared. Names under which people find the answering generation from
    /// outside (aliases) follow it; they may be a moment late, nothing of ours reads through them.
    fn save<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), ViewError>>;

    /// All generations of which there is anything.
    fn generations(&self) -> BoxFuture<'_, Result<Vec<Found>, ViewError>>;

    /// Opens a generation, making it when it does not exist. There is one writer for a generation
    /// at a time. [`ViewError::Damaged`] when there is something else in its place, or it cannot be
    /// read.
    fn open(
        &self,
        generation: u32,
        deployment: Uuid,
    ) -> BoxFuture<'_, Result<Opened<P>, ViewError>>;

    /// Whether an open generation is still there as it was opened: nobody has deleted it, or put
    /// another in its place. [`ViewError::Damaged`] when it is not. It is cheap, and asked for
    /// every few seconds.
    fn check(&self, generation: u32, deployment: Uuid) -> BoxFuture<'_, Result<(), ViewError>>;

    /// Reads an open generation in whole, and tells by [`ViewError::Damaged`] what is wrong with
    /// it, as far as its store can know. It may take long, beside other work. A server that looks
    /// after its files has nothing to add.
    fn examine(&self, _generation: u32) -> BoxFuture<'_, Result<(), ViewError>> {
        async { Ok(()) }.boxed()
    }

    /// Whether damage may go unnoticed until a generation is [examined](ViewStore::examine), and is
    /// surely found by that: there are checksums that ordinary reads do not look at.
    fn has_checksums(&self) -> bool {
        false
    }

    /// Opens a generation to be read in whole, with or without a writer at work on it; `None` when
    /// it does not exist.
    fn audit(&self, generation: u32) -> BoxFuture<'_, Result<Option<Audit<P>>, ViewError>>;

    /// Lets go of connections, while what drives them still does. Nothing is asked of the store
    /// after that.
    fn close(&self) -> BoxFuture<'_, ()> {
        std::future::ready(()).boxed()
    }

    /// Deletes a generation that is not open, whatever is in its place. One that does not exist is
    /// deleted already.
    fn discard(&self, generation: u32, deployment: Uuid) -> BoxFuture<'_, Result<(), ViewError>>;
}
