//! Two services that the tests of this crate work on. They keep nothing but the mechanism's tables.

use sagas::Service;

use crate::ServiceSchema;

pub(crate) const ROOMS: Service = Service::new(101, "rooms");
pub(crate) const BOOKINGS: Service = Service::new(102, "bookings");

/// Keeps entities as JSON.
pub(crate) const ROOMS_SCHEMA: ServiceSchema = ServiceSchema::new(ROOMS).hearing_from(&[BOOKINGS]);
/// The same, and its sagas ask the other one.
pub(crate) const BOOKINGS_SCHEMA: ServiceSchema =
    ServiceSchema::new(BOOKINGS).hearing_from(&[ROOMS]);

/// Makes their names readable.
pub(crate) fn register() {
    ROOMS_SCHEMA.register().unwrap();
    BOOKINGS_SCHEMA.register().unwrap();
}
