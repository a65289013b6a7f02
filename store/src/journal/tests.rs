//! What becomes of units, claims and prunes, on a real database. The journal's thread is held up
//! while units gather, so that each batch is exactly what a test wants.

mod culprits;
mod panics;
mod standing;
