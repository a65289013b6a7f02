//! One fixture for the tests of a module that only read it.
//!
//! A `static` is never dropped, and its node would outlive the test run. So the module keeps a weak
//! reference: the fixture lives as long as a test uses it, and a later test makes it anew.

use std::sync::{Arc, Weak};

use tokio::sync::Mutex;

/// A fixture made by the first test that asks for it.
pub struct Shared<T>(Mutex<Weak<T>>);

impl<T> Shared<T> {
    /// A fixture that does not exist yet.
    pub const fn new() -> Self {
        Self(Mutex::const_new(Weak::new()))
    }

    /// The fixture, made by `make` unless another test holds it.
    pub async fn get(&self, make: impl AsyncFnOnce() -> T) -> Arc<T> {
        let mut held = self.0.lock().await;
        if let Some(fixture) = held.upgrade() {
            return fixture;
        }
        let fixture = Arc::new(make().await);
        *held = Arc::downgrade(&fixture);
        fixture
    }
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self::new()
    }
}
