//! The shop's identities: its services, and the ids of customers and orders.

use std::sync::Once;

use sagas::{Service, entity_id};

/// Customers and their credit.
pub const CUSTOMERS: Service = Service::new(1, "customers");
/// Orders, and the sagas that work on them.
pub const ORDERS: Service = Service::new(2, "orders");
/// The services of the shop.
pub const SERVICES: [Service; 2] = [CUSTOMERS, ORDERS];

entity_id!(
    /// Identifies a customer.
    CustomerId
);
entity_id!(
    /// Identifies an order.
    OrderId
);

/// Registers the services of the shop, so that their names and numbers can be read back.
pub fn register() {
    static REGISTERED: Once = Once::new();

    REGISTERED.call_once(|| {
        for service in SERVICES {
            // A conflict would be another service of this process under one of the shop's names.
            // There is none; the registration of such a service would report it.
            let _ = service.register();
        }
    });
}

/// The service of the shop that has this name.
#[must_use]
pub fn service_named(name: &str) -> Option<Service> {
    SERVICES.into_iter().find(|service| service.name() == name)
}
