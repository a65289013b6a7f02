//! Which sagas or parked messages are meant, and what is done to many of them at once.

use clap::{Args, ValueEnum};

/// Which sagas are meant.
#[derive(Debug, Clone, Args)]
pub struct SagaFilterArgs {
    /// Only sagas in this state: RUNNING, COMPENSATING, COMPLETED, COMPENSATED, STUCK or
    /// ABANDONED
    #[arg(long)]
    pub state: Option<String>,
    /// Only sagas of this type
    #[arg(long = "type", value_name = "TYPE")]
    pub kind: Option<String>,
    /// Only sagas that have begun longer ago, for example 10m
    #[arg(long, value_name = "AGE")]
    pub older_than: Option<String>,
    /// Only sagas that work on this order
    #[arg(long, value_name = "ID")]
    pub entity: Option<String>,
    /// Only sagas with this text in their reason or in a step's detail
    #[arg(long, value_name = "TEXT")]
    pub cause: Option<String>,
}

impl SagaFilterArgs {
    /// Those that are given, by their names in the contract.
    #[must_use]
    pub fn named(&self) -> Vec<(&'static str, &str)> {
        given([
            ("state", &self.state),
            ("type", &self.kind),
            ("olderThan", &self.older_than),
            ("entity", &self.entity),
            ("cause", &self.cause),
        ])
    }
}

/// How something is done to many things at once.
#[derive(Debug, Clone, Args)]
pub struct BulkArgs {
    /// Only say how many are meant
    #[arg(long)]
    pub dry_run: bool,
    /// Why; it is kept with what was done
    #[arg(long)]
    pub reason: Option<String>,
    /// Stop after so many; without it, all that the filter finds
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: Option<u32>,
}

/// What is done to many sagas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SagaVerb {
    /// Stuck ones try again
    Retry,
    /// They are stopped, so that they compensate
    Cancel,
    /// Stuck ones are given up
    Abandon,
}

impl SagaVerb {
    /// As the contract names it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            SagaVerb::Retry => "retry",
            SagaVerb::Cancel => "cancel",
            SagaVerb::Abandon => "abandon",
        }
    }
}

/// What is done to many parked messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ParkedVerb {
    /// They are processed again, those of one entity in their order
    Replay,
    /// They are dropped for good
    Discard,
}

impl ParkedVerb {
    /// As the contract names it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            ParkedVerb::Replay => "replay",
            ParkedVerb::Discard => "discard",
        }
    }
}

/// Which parked messages are meant.
#[derive(Debug, Clone, Args)]
pub struct ParkedFilterArgs {
    /// Only messages of this service: customers or orders
    #[arg(long)]
    pub service: Option<String>,
    /// Only messages that address this customer or saga
    #[arg(long, value_name = "ID")]
    pub entity: Option<String>,
    /// Only messages of this type, for example customer.reserve-credit
    #[arg(long = "type", value_name = "TYPE")]
    pub message_type: Option<String>,
    /// Only messages with this text in their cause; {id} stands for any id
    #[arg(long, value_name = "TEXT")]
    pub cause: Option<String>,
    /// Only messages that were parked longer ago, for example 10m
    #[arg(long, value_name = "AGE")]
    pub older_than: Option<String>,
}

impl ParkedFilterArgs {
    /// Those that are given, by their names in the contract.
    #[must_use]
    pub fn named(&self) -> Vec<(&'static str, &str)> {
        given([
            ("service", &self.service),
            ("entity", &self.entity),
            ("type", &self.message_type),
            ("cause", &self.cause),
            ("olderThan", &self.older_than),
        ])
    }
}

pub(super) fn given<'a, const N: usize>(
    all: [(&'static str, &'a Option<String>); N],
) -> Vec<(&'static str, &'a str)> {
    let given = all.into_iter();
    given
        .filter_map(|(name, value)| Some((name, value.as_deref()?)))
        .collect()
}
