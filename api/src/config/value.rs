//! How the texts of settings become values. A refusal names only its kind: the description says
//! what is allowed.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use actors::Entity;
use domain::{Coordination, Service};
use domain::{Customer, Order};
use store::Loading;
use store::faults::FaultPlan;

use crate::files;

/// Why a value is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    NotAllowed,
}

/// What a node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Takes HTTP.
    Api,
    /// Owns shards.
    Actors,
    /// Feeds views.
    Projections,
}

impl Role {
    /// All roles, which is what a node does by default.
    pub const ALL: [Role; 3] = [Role::Api, Role::Actors, Role::Projections];

    /// The role as the settings name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Role::Api => "api",
            Role::Actors => "actors",
            Role::Projections => "projections",
        }
    }
}

/// What carries committed messages to Kafka.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelayBy {
    /// The node that commits them.
    Direct,
    /// Whoever looks into the outbox now and then.
    Polling,
    /// Whoever follows PostgreSQL's write-ahead log.
    Wal,
}

impl RelayBy {
    const ALL: [RelayBy; 3] = [RelayBy::Direct, RelayBy::Polling, RelayBy::Wal];

    /// The relay as the settings name it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            RelayBy::Direct => "direct",
            RelayBy::Polling => "polling",
            RelayBy::Wal => "wal",
        }
    }
}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Pretty on a terminal, JSON otherwise.
    Auto,
    /// For people.
    Pretty,
    /// One JSON object per line.
    Json,
}

/// Whether something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// It is.
    On,
    /// It is not.
    Off,
}

/// So many connections a node takes when nobody says how many, however many files it may open.
const MOST_CONNECTIONS_BY_ITSELF: usize = 32_768;
/// A node has this many files open beside its connections: stores, segments of the search view,
/// threads' own.
const FILES_OF_ITS_OWN: usize = 128;

/// The kinds of actors that a fault plan can have panic.
const KINDS: [&str; 3] = [<Customer as Entity>::KIND, <Order as Entity>::KIND, "saga"];

/// Reads a fault plan; the kinds of actors that it has panic must be among those there are.
pub fn faults(text: &str) -> Result<FaultPlan, Refusal> {
    let plan: FaultPlan = text.parse().map_err(|_| Refusal::NotAllowed)?;
    if plan
        .panic_at
        .keys()
        .all(|kind| KINDS.contains(&kind.as_str()))
    {
        Ok(plan)
    } else {
        Err(Refusal::NotAllowed)
    }
}

/// Reads an IP address and a port.
pub fn address(text: &str) -> Result<SocketAddr, Refusal> {
    text.parse().map_err(|_| Refusal::NotAllowed)
}

/// Reads a path; only an empty one is none.
pub fn path(text: &str) -> Result<PathBuf, Refusal> {
    if text.is_empty() {
        Err(Refusal::NotAllowed)
    } else {
        Ok(PathBuf::from(text))
    }
}

/// Reads a name of a node, or one for shared stores: 1 to 40 of `a-z`, `0-9`, `-` and `_`, a letter
/// first.
pub fn namespace(text: &str) -> Result<String, Refusal> {
    let plain = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_'
    };
    let fits = text.len() <= 40
        && text.bytes().all(plain)
        && text.starts_with(|first: char| first.is_ascii_lowercase());
    if fits {
        Ok(text.to_owned())
    } else {
        Err(Refusal::NotAllowed)
    }
}

/// Reads decimal digits alone, without a sign, as a number within `allowed`.
pub fn number<T: FromStr + PartialOrd>(
    text: &str,
    allowed: RangeInclusive<T>,
) -> Result<T, Refusal> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.then(|| text.parse().ok()).flatten();
    number
        .filter(|number| allowed.contains(number))
        .ok_or(Refusal::NotAllowed)
}

/// A number of threads; `auto` is one per core.
pub fn threads(text: &str, allowed: RangeInclusive<usize>) -> Result<usize, Refusal> {
    if text == "auto" {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        return Ok(cores.clamp(*allowed.start(), *allowed.end()));
    }
    number(text, allowed)
}

/// A number of connections; `auto` leaves a quarter of the files that the process may have open to
/// everything else.
pub fn connections(text: &str, allowed: RangeInclusive<usize>) -> Result<usize, Refusal> {
    if text == "auto" {
        let files = files::most_open();
        let left = files.saturating_sub(FILES_OF_ITS_OWN.max(files / 4));
        return Ok(left.clamp(*allowed.start(), MOST_CONNECTIONS_BY_ITSELF));
    }
    number(text, allowed)
}

/// A whole number with a unit: `500ms`, `30s`, `10m`, `1h`.
pub fn duration(text: &str, allowed: RangeInclusive<Duration>) -> Result<Duration, Refusal> {
    let digits = text
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(text.len());
    let (amount, unit) = text.split_at_checked(digits).ok_or(Refusal::NotAllowed)?;

    let amount: u64 = amount.parse().map_err(|_| Refusal::NotAllowed)?;
    let millis = match unit {
        "ms" => Some(amount),
        "s" => amount.checked_mul(1_000),
        "m" => amount.checked_mul(60_000),
        "h" => amount.checked_mul(3_600_000),
        _ => None,
    };

    let duration = millis
        .map(Duration::from_millis)
        .ok_or(Refusal::NotAllowed)?;

    if allowed.contains(&duration) {
        Ok(duration)
    } else {
        Err(Refusal::NotAllowed)
    }
}

/// Reads the name of a way to coordinate services.
pub fn coordination(text: &str) -> Result<Coordination, Refusal> {
    Coordination::ALL
        .into_iter()
        .find(|coordination| coordination.name() == text)
        .ok_or(Refusal::NotAllowed)
}

/// Reads the name of a relay.
pub fn relay(text: &str) -> Result<RelayBy, Refusal> {
    RelayBy::ALL
        .into_iter()
        .find(|relay| relay.name() == text)
        .ok_or(Refusal::NotAllowed)
}

/// Reads where entities are loaded from.
pub fn loading(text: &str) -> Result<Loading, Refusal> {
    text.parse().map_err(|_| Refusal::NotAllowed)
}

/// Reads `auto`, `pretty` or `json`.
pub fn log_format(text: &str) -> Result<LogFormat, Refusal> {
    match text {
        "auto" => Ok(LogFormat::Auto),
        "pretty" => Ok(LogFormat::Pretty),
        "json" => Ok(LogFormat::Json),
        _ => Err(Refusal::NotAllowed),
    }
}

/// Reads `on` or `off`.
pub fn switch(text: &str) -> Result<Switch, Refusal> {
    match text {
        "on" => Ok(Switch::On),
        "off" => Ok(Switch::Off),
        _ => Err(Refusal::NotAllowed),
    }
}

/// Reads names of services, with commas between them.
pub fn services(text: &str) -> Result<BTreeSet<Service>, Refusal> {
    some_of(text, &domain::SERVICES, Service::name)
}

/// Reads names of roles, with commas between them.
pub fn roles(text: &str) -> Result<BTreeSet<Role>, Refusal> {
    some_of(text, &Role::ALL, Role::name)
}

/// A list of names.
fn some_of<T: Copy + Ord>(
    text: &str,
    all: &[T],
    name: fn(T) -> &'static str,
) -> Result<BTreeSet<T>, Refusal> {
    let find = |wanted: &str| {
        all.iter()
            .copied()
            .find(|one| name(*one) == wanted)
            .ok_or(Refusal::NotAllowed)
    };

    text.split(',').map(|part| find(part.trim())).collect()
}
