//! How decisions are run: shards, actors, supervision.

pub mod gateway;

pub use gateway::{
    CommandError, CustomerAnswer, Gateway, NewCustomer, NewOrder, OrderAnswer, RequestBinding, SagaAnswer, Seen,
};
