//! How far the views of a running node are behind its commits, seen by a caller over HTTP while
//! orders come in at a fixed rate.
//!
//! A run has phases, each with the same background load:
//! - **waiting**: an order is sent, and the moment its answer is there it is read with the token of
//!   that answer, as a document and by search. What the reads take is the lag that a caller sees
//!   who wants to see what it wrote;
//! - **unaided**: the same without a token, asked again and again until the order shows. Nobody
//!   waits then, so that commits gather as long as they may;
//! - **search**: a fixed set of texts;
//! - **rebuild**: reads before and while a view is built anew, and how fast it is built.
//!
//! No read with a token may show less than the token: the version shown is compared with the one
//! acknowledged.

pub mod background;
pub mod caller;
pub mod options;
pub mod probing;
pub mod rebuild;
pub mod report;
pub mod searching;
pub mod status;

use std::sync::Arc;
use std::time::{Duration, Instant};

use self::background::Background;
use self::options::{Options, Phase};
use self::probing::Probes;
use self::report::{ProbeReport, Report};
use crate::load::phase::Plan;
use crate::load::{customers, picker::Picker, template::Template};

/// All phases that were asked for, in their order.
pub fn run(options: Options) -> anyhow::Result<Report> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;

    let load = options.background()?;
    let plan = Arc::new(Plan {
        customers: runtime.block_on(customers::create(&load))?,
        picker: Picker::new(load.distribution, load.customers)?,
        templates: Template::all(&load)?,
        options: load,
    });

    let probes = Probes::new(&runtime, &options)?;
    let mut report = Report::new(&options);
    let length = Duration::from_secs(options.seconds);

    for phase in &options.phases {
        eprintln!(
            "{phase:?}: {} orders a second in the background",
            options.rate
        );
        let background = Background::start(&plan, options.rate)?;
        match phase {
            Phase::Waiting => {
                let seen = runtime.block_on(probes.waiting())?;
                report.waiting = Some(ProbeReport::new(seen, background.end()?));
            }
            Phase::Unaided => {
                let seen = runtime.block_on(probes.unaided())?;
                report.unaided = Some(ProbeReport::new(seen, background.end()?));
            }
            Phase::Search => {
                let found =
                    runtime.block_on(searching::measure(&options, Instant::now() + length))?;
                report.search = Some(found.report(background.end()?)?);
            }
            Phase::Rebuild => {
                for view in &options.rebuild {
                    let rebuilt =
                        runtime.block_on(rebuild::measure(&options, &probes, view, length))?;
                    report.rebuilds.push(rebuilt);
                }
                report.rebuild_background = background.end()?;
            }
        }
    }

    Ok(report)
}
