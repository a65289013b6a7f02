//! What becomes of the units of a batch, on a real database. The journal's thread is held up while
//! they gather, so that each batch is exactly what a test wants.

mod culprits;
