//! The floor server's program: see `benches::floor`.

use benches::floor::Options;
use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    benches::floor::serve(Options::parse()).await
}
