//! What nodes cost that are added, by simulation: see `benches::growth`.

use benches::growth::{self, Options};
use clap::Parser;

fn main() {
    growth::run(&Options::parse());
}
