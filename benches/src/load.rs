//! The load generator: creates customers, sends orders, measures, and checks the end state.
//!
//! It speaks the public HTTP contract alone, so that it measures what a caller would see, and the
//! floor server can be measured by the same means. It shares the machine with the server:
//! everything per request is as cheap as it can be without giving up the checks (requests formatted
//! once, one buffer per connection, no locks between threads).

pub mod catch_up;
pub mod connection;
pub mod customers;
pub mod gate;
pub mod http;
pub mod intervals;
pub mod ledger;
pub mod options;
pub mod phase;
pub mod picker;
pub mod process;
pub mod progress;
pub mod recorder;
pub mod report;
pub mod schedule;
pub mod sender;
pub mod template;
pub mod verify;

use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;

use self::options::{Amount, Options};
use self::phase::{PhaseOutcome, Plan};
use self::picker::Picker;
use self::process::Sample;
use self::progress::Progress;
use self::report::{Report, Server, Verified};
use self::template::Template;
use crate::rate::{micros_each, number, rounded};

/// The whole run, from the first customer to the last check.
pub fn run(options: Options) -> anyhow::Result<Report> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let templates = Template::all(&options)?;
    let picker = Picker::new(options.distribution, options.customers)?;
    eprintln!(
        "creating {} customers at {}",
        options.customers, options.url
    );
    let customers = runtime.block_on(customers::create(&options))?;
    let plan = Arc::new(Plan {
        options,
        customers,
        picker,
        templates,
    });

    let warmed = warm_up(&plan)?;
    let own = process::sample(std::process::id()).unwrap_or_default();
    let servers = &plan.options.server_pid;
    let before = sample_servers(servers)?;
    let measured = plan.options.measured();
    let mut progress = Progress::new("load", measured, servers.clone());
    let PhaseOutcome {
        recorder,
        mut ledger,
        ended,
    } = phase::run(&plan, measured, plan.options.rate, &mut progress)?;
    progress.finish();

    let cpu = process::sample(std::process::id())
        .unwrap_or_default()
        .cpu
        .saturating_sub(own.cpu);
    let mut report = Report::new(&plan.options, recorder, cpu);
    report.server = match (before, sample_servers(servers)?) {
        (Some(before), Some(after)) => {
            Some(server_report(before, after, &progress, report.completed))
        }
        _ => None,
    };
    if let Some(mut warmed) = warmed {
        // Its orders count in the sums; the orders looked at one by one are those of the measured
        // load.
        warmed.latest.clear();
        warmed.sample.clear();
        ledger.add(warmed);
    }
    if !plan.options.no_verify {
        eprintln!("checking the end state");
        report.verified = Some(runtime.block_on(async {
            let caught_up = catch_up::measure(&plan.options, &plan.customers, &ledger, ended).await;
            Verified::new(
                verify::verify(&plan.options, &plan.customers, &ledger).await,
                caught_up,
            )
        }));
    }
    Ok(report)
}

/// Requests that are not measured, in a closed loop. Their orders count for the end state.
fn warm_up(plan: &Arc<Plan>) -> anyhow::Result<Option<ledger::Ledger>> {
    if plan.options.warmup == 0 {
        return Ok(None);
    }
    let amount = Amount::Requests(plan.options.warmup);
    let mut progress = Progress::new("warm-up", amount, Vec::new());
    let outcome = phase::run(plan, amount, None, &mut progress)?;
    progress.finish();
    Ok(Some(outcome.ledger))
}

/// None when no process was named.
fn sample_servers(pids: &[u32]) -> anyhow::Result<Option<Sample>> {
    let sample = process::sample_all(pids);
    ensure!(
        sample.is_some() || pids.is_empty(),
        "server-pid: of the processes {pids:?} one is not there to look at"
    );
    Ok(sample)
}

fn server_report(before: Sample, after: Sample, progress: &Progress, completed: u64) -> Server {
    let cpu: Duration = after.cpu.saturating_sub(before.cpu);
    let mebibytes = |kibibytes: u64| rounded(number(kibibytes) / 1024.0, 1);
    Server {
        rss_anon: mebibytes(after.rss_anon),
        peak_rss_anon: mebibytes(progress.peak_rss_anon.max(after.rss_anon)),
        cpu_seconds: rounded(cpu.as_secs_f64(), 2),
        cpu_micros_per_completed: rounded(micros_each(cpu, completed), 2),
    }
}
