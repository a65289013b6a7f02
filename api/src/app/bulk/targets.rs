//! What a request about many things is about, and the key of what is done to each.

use actors::RequestBinding;
use sagas::RequestKey;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Something that a request is about.
pub(super) trait Target: Clone + Serialize + DeserializeOwned {
    fn id(&self) -> Uuid;

    /// What tells it from all others of its request.
    fn key(&self) -> String;
}

/// A saga, or a parked message.
impl Target for Uuid {
    fn id(&self) -> Uuid {
        *self
    }

    fn key(&self) -> String {
        self.to_string()
    }
}

/// An entity in one of the views.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct InView {
    /// The view's name.
    pub view: String,
    /// The customer or order.
    pub entity: Uuid,
}

impl Target for InView {
    fn id(&self) -> Uuid {
        self.entity
    }

    fn key(&self) -> String {
        format!("{} {}", self.view, self.entity)
    }
}

/// What a request is about.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Found<T> {
    /// What it is done to.
    pub ids: Vec<T>,
    /// The `cursor` of the request that goes on after these; absent when there are no more.
    pub next: Option<String>,
}

/// The key of one command among many.
pub(super) fn of_one(binding: RequestBinding, target: &impl Target) -> RequestBinding {
    let scope = format!("bulk {}", binding.key.as_uuid());
    RequestBinding {
        key: RequestKey::new(&scope, &target.key()),
        ..binding
    }
}
