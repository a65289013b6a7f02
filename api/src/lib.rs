//! The binary `counterfoil`: configuration, HTTP, command line.

pub mod client;
