//! Counts the connections that are open.

use std::any::Any;

use actix_web::dev::Extensions;
use metrics::gauge;

use crate::metric_names as names;

/// One connection; it lies with what the server keeps of it, and goes when it ends.
struct Open;

/// Counts a connection from now on until it ends.
pub fn count(_socket: &dyn Any, kept: &mut Extensions) {
    gauge!(names::CONNECTIONS).increment(1.0);
    kept.insert(Open);
}

impl Drop for Open {
    fn drop(&mut self) {
        gauge!(names::CONNECTIONS).decrement(1.0);
    }
}
