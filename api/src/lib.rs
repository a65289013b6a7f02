//! The binary `counterfoil`: configuration, HTTP, command line.

pub mod audit;
pub mod client;
