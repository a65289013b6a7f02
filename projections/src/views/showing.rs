//! How a view is shown while it works.

use store::Positions;

use super::shared::{Shared, Stand};
use super::status::{BuildProgress, BuildStage, ViewState, ViewStatus, Work};
use crate::generations::Catalog;
use crate::projection::Projection;
use crate::projector::{Feeding, Lag, Times};

impl<P: Projection> Shared<P> {
    /// Cheap: for every request.
    pub(super) fn state(&self) -> ViewState {
        self.look(state_of)
    }

    /// Cheap: for every request.
    pub(super) fn trouble(&self) -> Option<String> {
        let view = self.definition.name;
        self.look(|stand| {
            let told = error_of(stand);
            let cause = || told.as_deref().unwrap_or("a generation is being built");
            match (state_of(stand), &stand.live) {
                (ViewState::Failed, _) => Some(format!("the {view} view has failed: {}", cause())),
                (_, None) => Some(format!("the {view} view does not answer yet: {}", cause())),
                (_, Some(_)) => None,
            }
        })
    }

    /// Measuring the lag reads some rows of the log.
    pub(super) async fn status(&self) -> ViewStatus {
        let (state, answering, fed, catalog, error) = self.look(|stand| {
            (
                state_of(stand),
                stand.live.clone(),
                stand.fed(),
                stand.catalog.clone().unwrap_or_default(),
                error_of(stand),
            )
        });

        let lag = match &fed {
            Some(generation) => generation.lag(self.log()).await,
            None => Lag::measure(self.log(), &Positions::new(), &Times::new()).await,
        };

        ViewStatus {
            name: self.definition.name,
            backend: self.store.backend(),
            state,
            error: error.or_else(|| lag.as_ref().err().map(ToString::to_string)),
            lag: lag.ok(),
            quarantined: fed
                .map(|generation| generation.shown().quarantined)
                .unwrap_or_default(),
            generation: answering.map(|generation| generation.number()),
            kept: catalog.kept().map(|kept| kept.number),
            progress: self.progress(),
        }
    }

    /// How far the generation that is built is; `None` when none is.
    pub(super) fn progress(&self) -> Option<BuildProgress> {
        let (building, stopped, (stage, work)) = self.look(|stand| {
            let building = stand.catalog.as_ref().and_then(Catalog::building)?.clone();
            let stage = BuildStage::from(building.stage);

            let done = match (&stand.entity_work, stand.open.get(&building.number)) {
                (Some(entities), _) if entities.number == building.number => {
                    (entities.stage, entities.work())
                }
                (_, Some(open)) => {
                    let fed = open.fed();
                    let (done, total) =
                        (open.committed().values().sum(), self.heads().values().sum());
                    (
                        stage,
                        Work {
                            begun_at: fed.from,
                            done,
                            total,
                            taken: fed.events,
                            elapsed: fed.elapsed,
                        },
                    )
                }
                (_, None) => (
                    stage,
                    Work {
                        total: self.heads().values().sum(),
                        ..Work::default()
                    },
                ),
            };
            Some((building, stand.stopped.is_some(), done))
        })?;
        Some(BuildProgress {
            generation: building.number,
            from: building.from,
            stage,
            stopped,
            done: work.done,
            total: work.total,
            fraction: work.fraction(),
            events_per_second: work.per_second(),
            eta_seconds: work.rest(),
        })
    }
}

fn state_of<P: Projection>(stand: &Stand<P>) -> ViewState {
    let building = stand.catalog.as_ref().and_then(Catalog::building);
    let fails = |live: &super::open::OpenGeneration<P>| live.feeding() == Feeding::Failed;
    match &stand.live {
        None if stand.failure.is_some() || stand.stopped.is_some() || stand.is_held => {
            ViewState::Failed
        }
        None if stand.open.values().any(|generation| fails(generation)) => ViewState::Failed,
        None => ViewState::Rebuilding,
        Some(live) if fails(live) || stand.stopped.is_some() => ViewState::Failed,
        Some(_) if building.is_some() => ViewState::Rebuilding,
        Some(_) => ViewState::Live,
    }
}

/// The gravest first: that of what answers queries. Tells of damage as long as its repair takes.
fn error_of<P: Projection>(stand: &Stand<P>) -> Option<String> {
    let of_live = stand.live.as_ref().and_then(|live| live.shown().error);

    let of_others = || {
        stand
            .open
            .values()
            .find_map(|generation| generation.shown().error)
    };

    let of_rebuild = || {
        stand
            .stopped
            .as_ref()
            .map(|(number, why)| format!("the rebuild of generation {number} has stopped: {why}"))
    };

    of_live
        .or_else(|| stand.failure.clone())
        .or_else(of_rebuild)
        .or_else(|| stand.damage.clone())
        .or_else(of_others)
}
