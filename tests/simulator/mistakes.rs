//! Shows that the simulator works: mistakes that are made on purpose are caught.

use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicU64, Ordering};

use sagas::mistakes::{Mistake, make};

use crate::plan::{Plan, Seed};
use crate::{Arguments, Templates, happen, tell, watchdog};

/// Stands for all mistakes.
pub const ALL: &str = "all";

/// Makes one mistake after the other, all or the one of this name, and tells after how many
/// histories it was caught. Fails when one was not. With a seed it tells that history, with the
/// mistake.
pub fn catch(name: &str, arguments: &Arguments, templates: &Templates) -> ExitCode {
    if name == ALL {
        return catch_all(arguments);
    }
    let Some(mistake) = Mistake::ALL.iter().find(|mistake| mistake.name() == name) else {
        println!("there is no mistake {name}");
        return ExitCode::FAILURE;
    };

    make(Some(*mistake));
    if let Some(number) = arguments.seed {
        let nodes = arguments.nodes.map(usize::from);
        return tell(Seed { number, nodes }, templates);
    }
    let alone = arguments.nodes.is_none() && !AMONG_OTHERS.contains(mistake);
    let nodes = arguments
        .nodes
        .map_or(if alone { 1 } else { 3 }, usize::from);
    match caught_after(arguments, nodes, templates) {
        Some((histories, what)) => {
            println!("{name} | {histories} | {what}");
            ExitCode::SUCCESS
        }
        None => {
            println!("{name} | not within {}", arguments.histories);
            ExitCode::FAILURE
        }
    }
}

/// What nobody can make who is alone.
const AMONG_OTHERS: [Mistake; 11] = [
    Mistake::KeyLeftBehind,
    Mistake::QuestionsAlike,
    Mistake::MemoryKeptOnLeave,
    Mistake::NotesNotHeard,
    Mistake::TenureNotCompared,
    Mistake::UnconfirmedTakenOver,
    Mistake::CatalogNotCompared,
    Mistake::FormerDeletedAtOnce,
    Mistake::FollowerNotLevel,
    Mistake::FollowerUnsure,
    Mistake::FollowerStays,
];

/// Each in a process of its own, for with some of them a history has no end, and is ended from
/// outside.
fn catch_all(arguments: &Arguments) -> ExitCode {
    let program = std::env::current_exe().expect("this is a program");
    let range = |name: &str, number: u64| [format!("--{name}"), number.to_string()];
    let mut missed = 0;

    for mistake in Mistake::ALL {
        let caught = Command::new(&program)
            .args(["--mistakes", mistake.name()])
            .args(range("from", arguments.from))
            .args(range("histories", arguments.histories))
            .output()
            .expect("this program runs");
        let said = String::from_utf8_lossy(&caught.stdout);
        match (caught.status.success(), watchdog::endless_in(&said)) {
            (true, _) => print!("{said}"),
            (false, Some(seed)) => {
                let histories = seed + 1 - arguments.from;
                println!("{} | {histories} | it does not end", mistake.name());
            }
            (false, None) => {
                print!("{said}");
                missed += 1;
            }
        }
    }

    println!("{missed} mistakes were missed");
    match missed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// How many histories it takes, and what gives the mistake away.
fn caught_after(
    arguments: &Arguments,
    nodes: usize,
    templates: &Templates,
) -> Option<(u64, String)> {
    let next = AtomicU64::new(0);
    let first = AtomicU64::new(u64::MAX);

    std::thread::scope(|scope| {
        let look = || {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= arguments.histories || number > first.load(Ordering::Relaxed) {
                    return None;
                }
                let plan = Plan::of(Seed {
                    number: arguments.from + number,
                    nodes: Some(nodes),
                });
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
