//! The load generator's command line: what to send, how fast, to whom, and what to check
//! afterwards.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use domain::Money;

/// Sends orders to a running node and measures how long each takes to its saga's end.
///
/// Closed loop (default): `--in-flight` connections with one request under way each. Open loop
/// (`--rate`): requests are due at fixed times, and latency is measured from the time a request was
/// due, so that a server that stalls is charged for every request it held up.
#[derive(Debug, Clone, Parser)]
#[command(name = "load", version)]
pub struct Options {
    /// The nodes to send to, separated by commas: connections are spread over them.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    pub url: Targets,
    /// Customers created at the start.
    #[arg(
        long,
        default_value_t = 1_000,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000),
    )]
    pub customers: u32,
    /// Credit limit of each of these customers.
    #[arg(long, default_value = "10000000.00")]
    pub credit_limit: Money,
    /// Requests to measure; 100,000 unless a duration is given.
    #[arg(long, conflicts_with = "duration", value_parser = clap::value_parser!(u64).range(1..))]
    pub requests: Option<u64>,
    /// Seconds to measure, instead of a number of requests.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub duration: Option<u64>,
    /// Requests before the measured ones, for caches and connections; they count for the end state
    /// only.
    #[arg(long, default_value_t = 0)]
    pub warmup: u64,
    /// Connections, each with one request under way.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    pub in_flight: u32,
    /// Open loop: requests per second, on a fixed schedule.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: Option<u32>,
    /// How orders are spread over the customers.
    #[arg(long, value_enum, default_value_t = Distribution::Uniform)]
    pub distribution: Distribution,
    /// What becomes of the orders; half of them are rejected when mixed.
    #[arg(long, value_enum, default_value_t = Path::Approved)]
    pub path: Path,
    /// Lines of an order; with 0 it names its total only.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=500))]
    pub lines: u32,
    /// Total of an approved order, or the unit price of each line.
    #[arg(long, default_value = "1.00")]
    pub amount: Money,
    /// `Prefer: wait`: a request is complete at its saga's final state; with 0 at the answer
    /// PENDING.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub wait: u32,
    /// Send a new Idempotency-Key with each order; a request without an answer is then repeated.
    #[arg(long)]
    pub idempotency_key: bool,
    /// Threads of the generator. It shares the machine with the server: one is right unless it is
    /// the bottleneck.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub threads: u32,
    /// Seed of the choice of customers.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Parts, equal in completed requests, whose rates are reported one by one.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub intervals: u32,
    /// Leave out the check of the end state and of how soon the views show it.
    #[arg(long)]
    pub no_verify: bool,
    /// Check the end state (this is the default; the flag is for scripts that want to say so).
    #[arg(long, conflicts_with = "no_verify")]
    pub verify: bool,
    /// How long the views may take to catch up before that counts as a failure.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub catch_up_timeout: u64,
    /// Processes of the server on this machine, separated by commas, whose memory and processor
    /// time are reported as sums.
    #[arg(long, value_name = "PID", value_delimiter = ',')]
    pub server_pid: Vec<u32>,
    /// Name of this run in its report and in a plot.
    #[arg(long, default_value = "")]
    pub label: String,
    /// Write the report as JSON to a file, or to standard output with `-`.
    #[arg(long, value_name = "FILE|-")]
    pub json: Option<PathBuf>,
}

/// How orders are spread over the customers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Distribution {
    /// Every customer equally often.
    Uniform,
    /// All orders on one customer.
    Hot,
    /// Customer k with a weight of 1/k.
    Zipf,
}

/// What becomes of the orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Path {
    /// Every order is within its customer's limit.
    Approved,
    /// Every order is beyond its customer's limit.
    Rejected,
    /// Orders within and beyond the limit take turns.
    Mixed,
}

/// How much is sent: until a number of requests, or until a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// This many requests.
    Requests(u64),
    /// As many requests as this time allows.
    Time(Duration),
}

impl Options {
    /// What counts, after the warm-up: 100,000 requests unless something else was asked for.
    #[must_use]
    pub fn measured(&self) -> Amount {
        match (self.requests, self.duration) {
            (Some(requests), _) => Amount::Requests(requests),
            (None, Some(seconds)) => Amount::Time(Duration::from_secs(seconds)),
            (None, None) => Amount::Requests(100_000),
        }
    }

    /// How long one exchange may take before the connection is given up: the wait asked for and
    /// some more.
    #[must_use]
    pub fn exchange_timeout(&self) -> Duration {
        Duration::from_secs(u64::from(self.wait) + 30)
    }

    /// One word per setting that makes two runs comparable.
    #[must_use]
    pub fn name_of(value: impl ValueEnum) -> String {
        value
            .to_possible_value()
            .map(|name| name.get_name().to_owned())
            .unwrap_or_default()
    }
}

/// `host:port` of the node. Plain HTTP without a path: a benchmark measures the node, not what
/// stands before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// `HOST:PORT`, as it stands in the `Host` header.
    pub authority: String,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("url: {text:?} is not allowed: give http://HOST[:PORT]");

        let rest = text
            .strip_prefix("http://")
            .ok_or_else(wrong)?
            .trim_end_matches('/');

        if rest.is_empty() || rest.contains(['/', '?', '#', '@', ' ']) {
            return Err(wrong());
        }

        let has_port = rest
            .rsplit_once(':')
            .is_some_and(|(_, port)| port.parse::<u16>().is_ok());

        Ok(Target {
            authority: if has_port {
                rest.to_owned()
            } else {
                format!("{rest}:80")
            },
        })
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "http://{}", self.authority)
    }
}

/// One node or more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Targets {
    first: Target,
    others: Vec<Target>,
}

impl Targets {
    /// The node of a connection: they take turns.
    #[must_use]
    pub fn of(&self, connection: u32) -> &Target {
        let nodes = self.others.len() + 1;
        let turn = usize::try_from(connection).unwrap_or_default() % nodes;
        turn.checked_sub(1)
            .and_then(|place| self.others.get(place))
            .unwrap_or(&self.first)
    }
}

impl FromStr for Targets {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (first, others) = text
            .split_once(',')
            .map_or((text, None), |(first, others)| {
                (first, Some(others.split(',')))
            });
        Ok(Targets {
            first: first.parse()?,
            others: others
                .into_iter()
                .flatten()
                .map(str::parse)
                .collect::<Result<_, _>>()?,
        })
    }
}

impl std::fmt::Display for Targets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.first)?;
        self.others.iter().try_for_each(|node| write!(f, ",{node}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory;
        Options::command().debug_assert();
    }

    #[test]
    fn a_url_is_a_host_and_a_port() {
        let target = |text: &str| text.parse::<Target>().map(|target| target.authority);
        assert_eq!(
            target("http://127.0.0.1:8080/"),
            Ok("127.0.0.1:8080".to_owned())
        );
        assert_eq!(target("http://shop"), Ok("shop:80".to_owned()));
        assert!(target("https://shop").is_err());
        assert!(target("http://shop/path").is_err());
    }

    #[test]
    fn connections_take_the_nodes_in_turn() {
        let targets: Targets = "http://a,http://b:81,http://c".parse().unwrap();
        let nodes: Vec<_> = (0..4)
            .map(|connection| targets.of(connection).to_string())
            .collect();
        assert_eq!(
            nodes,
            ["http://a:80", "http://b:81", "http://c:80", "http://a:80"]
        );
        assert_eq!(targets.to_string(), "http://a:80,http://b:81,http://c:80");

        assert!("http://a,".parse::<Targets>().is_err());
    }

    #[test]
    fn a_duration_takes_the_place_of_the_default_number_of_requests() {
        let options =
            |arguments: &[&str]| Options::try_parse_from(["load"].iter().chain(arguments)).unwrap();
        assert_eq!(options(&[]).measured(), Amount::Requests(100_000));
        assert_eq!(
            options(&["--duration", "7"]).measured(),
            Amount::Time(Duration::from_secs(7))
        );
        assert!(Options::try_parse_from(["load", "--duration", "7", "--requests", "1"]).is_err());
    }
}
