//! Trouble by chance, for whoever has no plan of their own.

use std::time::Duration;

use tokio::time::Instant;

use super::{CallEnd, CallFate, DeliveryFate, Dice, Trouble};

/// Everything goes wrong now and then, until its time is over.
#[derive(Debug)]
pub struct Mischief {
    dice: Dice,
    percent: u64,
    until: Instant,
}

impl Mischief {
    /// So many percent of everything go wrong from now on, for so long; what and when follows from
    /// the seed.
    #[must_use]
    pub fn seeded(seed: u64, percent: u64, lasts: Duration) -> Self {
        Mischief {
            dice: Dice::seeded(seed),
            percent,
            until: Instant::now() + lasts,
        }
    }

    fn strikes(&self) -> bool {
        Instant::now() < self.until && self.dice.is(self.percent)
    }

    fn moment(&self) -> Duration {
        Duration::from_millis(self.dice.below(1_000))
    }
}

impl Trouble for Mischief {
    fn call(&self, _: &str) -> CallFate {
        let mut fate = CallFate {
            stands: Duration::from_millis(self.dice.below(4)),
            end: CallEnd::Well,
        };
        if self.strikes() {
            let ends = [
                CallEnd::Well,
                CallEnd::Fails,
                CallEnd::Unknown,
                CallEnd::UnknownAndLost,
                CallEnd::PanicsBefore,
                CallEnd::PanicsAfter,
            ];
            fate.end = self.dice.of(&ends).unwrap_or_default();
            fate.stands += self.moment();
        }
        fate
    }

    fn answers(&self, _: &str) -> bool {
        !self.strikes()
    }

    fn delivery(&self) -> DeliveryFate {
        if !self.strikes() {
            return DeliveryFate::Arrives(Duration::ZERO);
        }
        let (soon, late) = (self.moment(), self.moment());
        let fates = [
            DeliveryFate::Lost,
            DeliveryFate::Arrives(late),
            DeliveryFate::Twice(soon, late),
        ];
        self.dice.of(&fates).unwrap_or(DeliveryFate::Lost)
    }
}
