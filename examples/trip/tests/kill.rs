//! Trips, or tours, are booked, the process is killed in the middle, and the same ones are asked
//! for again: each is booked once, and nothing is held for one that is not.

#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const TRIPS: usize = 60;

fn trip(folder: &Path, args: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trip"));
    command.arg(folder).args(args.split_whitespace());
    command
}

fn done(folder: &Path, args: &str) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = trip(folder, args).output().unwrap();
    assert!(
        status.success(),
        "{args}: {}",
        String::from_utf8_lossy(&stderr)
    );
    String::from_utf8(stdout).unwrap()
}

/// A tour that is given up is told at once: what it held comes back behind that, and each look runs
/// a node that goes on with it.
fn comes_to(folder: &Path, look: &str, expected: &str) {
    let until = Instant::now() + Duration::from_secs(60);
    let mut seen = done(folder, look);
    while seen != expected && Instant::now() < until {
        seen = done(folder, look);
    }
    assert_eq!(seen, expected);
}

#[test]
fn trips_are_booked_whole_or_not_at_all_whenever_the_process_dies() {
    whenever_the_process_dies("book");
}

#[test]
fn tours_are_booked_whole_or_not_at_all_whenever_the_process_dies() {
    whenever_the_process_dies("tour");
}

fn whenever_the_process_dies(command: &str) {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    done(folder, "flight LX1 40");
    done(folder, "hotel Ritz 30");
    done(folder, "card ada 2500");

    let names: Vec<_> = (0..TRIPS).map(|number| format!("t{number}")).collect();
    let book = format!("{command} LX1 Ritz ada 100 {}", names.join(" "));

    // Killed as soon as the first ones have ended, while others are under way.
    let mut first = trip(folder, &book).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(first.stdout.take().unwrap()).lines();
    let told: Vec<String> = lines.by_ref().take(3).map(Result::unwrap).collect();
    first.kill().unwrap();
    first.wait().unwrap();
    let told = told.into_iter().chain(lines.map_while(Result::ok));
    let told: Vec<_> = told.filter(|line| line.ends_with("BOOKED")).collect();

    let all = done(folder, &book);
    assert_eq!(all.lines().count(), TRIPS);
    for line in told {
        assert!(
            all.lines().any(|later| later == line),
            "{line} was told before"
        );
    }

    // The money is enough for 25 trips: what the others had taken is given back.
    let booked = all
        .lines()
        .filter(|line| line.ends_with(": BOOKED"))
        .count();
    assert_eq!(booked, 25);
    assert_eq!(done(folder, "card ada"), "ada: 0 left, 25 trips\n");
    comes_to(folder, "flight LX1", "LX1: 15 left, 25 trips\n");
    comes_to(folder, "hotel Ritz", "Ritz: 5 left, 25 trips\n");

    // One without a hotel does not ask for a room.
    done(folder, "card bob 100");
    let short = done(folder, &format!("{command} LX1 - bob 100 short"));
    assert_eq!(short, "short: BOOKED\n");
    assert_eq!(done(folder, "hotel Ritz"), "Ritz: 5 left, 25 trips\n");
}
