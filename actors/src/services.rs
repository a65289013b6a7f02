//! The shop's services: customers and orders, and the gateway to both.

pub mod customers;
pub mod gateway;
pub mod orders;
