//! Shows that the simulator works: mistakes that are made on purpose are caught.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use sagas::mistakes::{Mistake, make};

use crate::plan::Plan;
use crate::{Arguments, Templates, happen};

/// Makes one mistake after the other, all or the one of this name, and tells after how many
/// histories it was caught. Fails when one was not.
pub fn catch(name: &str, arguments: &Arguments, templates: &Templates) -> ExitCode {
    let wanted = |mistake: &&Mistake| name == "all" || mistake.name() == name;
    let mut missed = 0;

    for mistake in Mistake::ALL.iter().filter(wanted) {
        make(Some(*mistake));
        match caught_after(arguments, templates) {
            Some((histories, what)) => {
                println!("{} | {histories} | {what}", mistake.name());
            }
            None => {
                println!("{} | not within {}", mistake.name(), arguments.histories);
                missed += 1;
            }
        }
    }
    make(None);

    println!("{missed} mistakes were missed");
    match missed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// How many histories it takes, and what gives the mistake away.
fn caught_after(arguments: &Arguments, templates: &Templates) -> Option<(u64, String)> {
    let next = AtomicU64::new(0);
    let first = AtomicU64::new(u64::MAX);

    std::thread::scope(|scope| {
        let look = || {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= arguments.histories || number > first.load(Ordering::Relaxed) {
                    return None;
                }
                let plan = Plan::of(arguments.from + number);
                let outcome = happen(&plan, templates);
                if let Some(violation) = outcome.violations.into_iter().next() {
                    first.fetch_min(number, Ordering::Relaxed);
                    return Some((number + 1, violation));
                }
            }
        };
        let threads: Vec<_> = (0..arguments.threads).map(|_| scope.spawn(look)).collect();
        let found = threads.into_iter().filter_map(|thread| {
            let found = thread.join();
            found.expect("a history does not panic")
        });
        found.min()
    })
}
