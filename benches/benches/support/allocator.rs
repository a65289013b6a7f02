//! The allocator of the product's binary, so that a benchmark's figures are those of the product.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
