//! `counterfoil backup` and `counterfoil restore`, on the embedded stores of a configuration.

use std::io::IsTerminal;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use store::backup::{self, Manifest, Progress};
use store::services::SHOP;
use store::{Clock, Deployment};

use super::folder;
use crate::config::{Config, DatabaseBackend};
use crate::output;

const BAR: &str = "{bar:30} {percent:>3} %  {msg}  {bytes} of {total_bytes}";
const BETWEEN_LINES: Duration = Duration::from_secs(5);

/// Takes a backup of the services' databases, with a node running on them or not, and prints what
/// it holds.
///
/// # Errors
/// When the backup is not whole; its folder shows it.
pub fn take(config: &Config, to: &Path, json: bool) -> anyhow::Result<()> {
    only_embedded(config)?;
    let taken_at = Clock::system().now().to_string();
    let mut shown = Shown::default();

    let manifest = backup::take(&SHOP, &config.data_dir, to, taken_at, &mut |progress| {
        shown.show(&progress);
    })?;
    shown.end();

    let told = if json {
        serde_json::to_string_pretty(&manifest)?
    } else {
        format!(
            "{} is in {}, whole and checked",
            described(&manifest),
            to.display()
        )
    };
    output::print(format!("{told}\n").as_bytes())
}

/// Puts a backup into the empty data folder of the configuration.
///
/// # Errors
/// When nothing was restored, or not all of it, which the folder shows.
pub fn restore(config: &Config, from: &Path) -> anyhow::Result<()> {
    only_embedded(config)?;
    let data = &config.data_dir;
    let _lock = folder::take(data)?;
    let mut shown = Shown::default();

    let spared = [folder::LOCK_FILE];
    let (manifest, deployment) = backup::restore(&SHOP, from, data, &spared, &mut |progress| {
        shown.show(&progress);
    })?;
    shown.end();

    // So far only files were examined; this does what a start will do.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("no threads to open the databases with")?;
    let opened = Deployment::open_embedded(&SHOP, data, config.shards);
    for database in runtime.block_on(opened)?.databases {
        runtime.block_on(database.close());
    }

    let told = format!(
        "{} is restored in {} as deployment {deployment}; \
         start the node, which builds its views anew, and run counterfoil verify\n",
        described(&manifest),
        data.display()
    );
    output::print(told.as_bytes())
}

/// A server has its own ways of keeping copies, which know its write-ahead log.
fn only_embedded(config: &Config) -> anyhow::Result<()> {
    for database in [&config.customers_database_url, &config.orders_database_url] {
        if let DatabaseBackend::Postgres(address) = database {
            anyhow::bail!(
                "{address} is on a server; allowed: embedded databases (of a server's, take and \
                 restore backups by its own means, all databases of one moment: pg_basebackup)"
            );
        }
    }
    Ok(())
}

fn described(manifest: &Manifest) -> String {
    let bytes: u64 = manifest.databases.iter().map(|copy| copy.bytes).sum();
    let deployment = manifest
        .deployment
        .map_or("a deployment without id".to_owned(), |id| {
            format!("deployment {id}")
        });
    format!(
        "the backup of {deployment} at {} ({} databases, {bytes} bytes)",
        manifest.taken_at,
        manifest.databases.len()
    )
}

/// How far the copying is: a bar on a terminal, a line now and then elsewhere.
#[derive(Default)]
struct Shown {
    bar: Option<ProgressBar>,
    told: Option<Instant>,
}

impl Shown {
    fn show(&mut self, progress: &Progress) {
        if std::io::stderr().is_terminal() {
            self.draw(progress);
        } else if self.told.is_none_or(|told| told.elapsed() >= BETWEEN_LINES) {
            // The first line says that it has begun.
            self.told = Some(Instant::now());
            let Progress { file, done, all } = progress;
            output::note(&format!("{file}: {done} of {all} bytes"));
        }
    }

    fn draw(&mut self, progress: &Progress) {
        let bar = self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template(BAR) {
                bar.set_style(style);
            }
            bar
        });
        bar.set_length(progress.all);
        bar.set_position(progress.done);
        bar.set_message(progress.file.clone());
    }

    fn end(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}
