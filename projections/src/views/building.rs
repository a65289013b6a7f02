//! The long work on a generation, beside which the view is fed and answers: copying entities' rows,
//! catching up, and the swap at the moment in which it is level with the one that answers. What
//! follows from an outcome, the supervisor decides.

use std::sync::Arc;

use futures_util::FutureExt as _;
use sagas::mistakes::{Mistake, makes};
use store::Positions;
use tokio::sync::oneshot;

use super::comparison::{self, Comparison};
use super::entity_work::EntityWork;
use super::shared::Shared;
use super::status::BuildStage;
use crate::ViewError;
use crate::generations::Opened;
use crate::port::ViewWriter;
use crate::projection::Projection;

/// Entities read at a time.
const PAGE: u64 = 500;
/// How many pages one commit writes.
const PAGES_PER_COMMIT: usize = 8;

/// How often a swap looks for a moment in which both generations are level while both go on. After
/// that the one that answers rests for a moment.
const LOOKS: usize = 20;

/// How a piece of work has ended.
pub(super) enum WorkOutcome<P: Projection> {
    /// All rows are in the generation, with the positions from which its events go on.
    Copied {
        number: u32,
        opened: Result<Opened<P>, ViewError>,
    },
    /// It has reached what the answering one had, and was compared with it.
    Built {
        number: u32,
        compared: Result<Comparison, ViewError>,
    },
    /// It answers.
    Swapped {
        number: u32,
        outcome: Result<(), ViewError>,
    },
}

impl<P: Projection> WorkOutcome<P> {
    /// The generation that the work was about.
    pub(super) fn number(&self) -> u32 {
        match self {
            WorkOutcome::Copied { number, .. }
            | WorkOutcome::Built { number, .. }
            | WorkOutcome::Swapped { number, .. } => *number,
        }
    }
}

/// Copies the rows of all entities into an empty generation.
pub(super) async fn copy<P: Projection>(
    shared: Arc<Shared<P>>,
    number: u32,
) -> Result<Opened<P>, ViewError> {
    let view = shared.definition.name;
    // What an interrupted copy has left would never be corrected.
    let deployment = shared.deployment;
    shared.go_on(number)?;
    shared.store.discard(number, deployment).await?;

    let Opened {
        mut writer,
        reader,
        versions,
    } = shared.store.open(number, deployment).await?;

    let copied = EntityWork::begin(&shared, number, BuildStage::Copying).await?;
    // Before any row is read: each row is at least as new as these, so no event is missed.
    let heads = shared.heads();

    let (sender, written) = oneshot::channel();
    let threads = Arc::clone(&shared.surroundings.threads);

    let work = move || {
        let writes = async move {
            let outcome = write_all(&shared, writer.as_mut(), &copied, &heads).await;
            // Nobody takes it when the node has ended.
            let _ = sender.send(outcome.map(|()| writer));
        };
        writes.boxed_local()
    };

    let failed =
        |source: Box<dyn std::error::Error + Send + Sync>| ViewError::Unavailable { view, source };
    threads
        .spawn_in_background(format!("copy-{view}"), Box::new(work))
        .map_err(|error| failed(error.into()))?;

    let writer = written
        .await
        .map_err(|_| failed("copying rows has panicked".into()))??;

    Ok(Opened {
        writer,
        reader,
        versions,
    })
}

/// On a thread of its own, because writers block.
async fn write_all<P: Projection>(
    shared: &Shared<P>,
    writer: &mut dyn ViewWriter<P::Entity>,
    copied: &EntityWork,
    heads: &Positions,
) -> Result<(), ViewError> {
    writer.positions()?;
    let mut pages = 0;

    for service in shared.definition.uses {
        let mut after = None;
        loop {
            shared.go_on(copied.number)?;
            let range = shared.rows.next_range(*service, after, PAGE).await?;
            let entities = shared.rows.entities(*service, range).await?;
            for entity in &entities {
                writer.put(entity)?;
            }
            copied.add(u64::try_from(entities.len()).unwrap_or(0));
            pages += 1;
            if pages % PAGES_PER_COMMIT == 0 {
                // Without positions: interrupted, this generation is discarded.
                writer.commit(&Positions::new())?;
            }
            match range.up_to {
                Some(last) => after = Some(last),
                None => break,
            }
        }
    }

    if makes(Mistake::HeadsReadAfterRows) {
        writer.commit(&shared.heads())?;
    } else {
        writer.commit(heads)?;
    }

    writer.finish()
}

/// Waits until a generation has what the answering one has now; a first one, what the log has now.
/// Then compares.
pub(super) async fn build<P: Projection>(
    shared: Arc<Shared<P>>,
    number: u32,
    compared: bool,
) -> Result<Comparison, ViewError> {
    let next = shared.generation(number)?;
    let Some(live) = shared.look(|stand| stand.live.clone()) else {
        next.reach(&shared.heads()).await?;
        return Ok(Comparison::default());
    };
    live.restored().await?;
    next.reach(&live.may_show()).await?;

    if compared {
        comparison::compare(&shared, &live, &next).await
    } else {
        Ok(Comparison::default())
    }
}

/// Makes a generation the one that answers, as soon as it is level with the one that does. After a
/// commit of the next one it most likely is; when it never is, because the other commits all the
/// time, the other rests for a moment.
pub(super) async fn swap<P: Projection>(
    shared: Arc<Shared<P>>,
    number: u32,
) -> Result<(), ViewError> {
    let next = shared.generation(number)?;
    let mut looks = 0;

    while !shared.swap_if_level(&next) {
        shared.is_to_answer_or_gone(number).await;
        shared.go_on(number)?;
        let (live, owed) = shared.look(|stand| (stand.live.clone(), stand.owed.clone()));
        let Some(live) = live else {
            if next.has(&owed) {
                // This one would answer now, were it whole.
                shared.answers_or_is_gone(number).await;
            } else {
                next.reach(&owed).await?;
            }
            continue;
        };
        // One that is closed before is compared as it is.
        let _ = live.restored().await;

        let resting = if looks < LOOKS {
            None
        } else {
            live.rest().await
        };
        next.reach(&live.may_show()).await?;
        next.reach(&owed).await?;
        if resting.is_some() && shared.swap_if_level(&next) {
            break;
        }
        looks += 1;
    }

    Ok(())
}
