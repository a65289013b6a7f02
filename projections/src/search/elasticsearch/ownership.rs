//! Whose a generation is, and whether its index is the one that it was made with.
//!
//! A namespace may be shared with another deployment by mistake. Whatever has that one's id on it
//! is neither written nor deleted here. And people may delete an index, or make another in its
//! place, while a node runs.

use super::client::Client;
use super::index::{Described, Names, create_orders, describe, ensure_views, numbers};
use super::state::{self, GenerationState, Written};
use crate::ViewError;
use crate::generations::Found;
use crate::search::{VIEW, damaged};
use uuid::Uuid;

/// Makes what a generation needs and does not have.
///
/// # Errors
/// [`ViewError::Damaged`] when something else is there, or what was there is gone;
/// [`ViewError::Foreign`] when it is another deployment's.
pub(super) async fn ensure(
    client: &Client,
    names: &Names,
    generation: u32,
    deployment: Uuid,
) -> Result<(), ViewError> {
    ensure_views(client, names).await?;
    let (state, written) = state::load(client, names, generation).await?;
    not_of_another(&state, deployment)?;

    let index = match describe(client, &names.orders(generation)).await? {
        Some(found) => checked(&found, names, generation, &state)?,
        None if state.index.is_some() => return Err(gone(names, generation)),
        // It has never been made, or by release 0.1 and somebody has deleted it since. Then nothing
        // else that is left of it counts.
        None => {
            state::discard(client, names, generation).await?;
            create_orders(client, names, generation).await?;
            return note(client, names, generation, deployment).await;
        }
    };

    let noted = GenerationState {
        deployment: Some(deployment),
        index: Some(index),
        ..state.clone()
    };
    if noted != state {
        state::store(client, names, generation, &noted, written).await?;
    }
    Ok(())
}

/// Notes a generation that was just made.
async fn note(
    client: &Client,
    names: &Names,
    generation: u32,
    deployment: Uuid,
) -> Result<(), ViewError> {
    let made = describe(client, &names.orders(generation)).await?;
    let made = made.ok_or_else(|| gone(names, generation))?;
    let state = GenerationState {
        deployment: Some(deployment),
        index: Some(made.id().to_owned()),
        ..GenerationState::default()
    };
    state::store(client, names, generation, &state, None).await?;
    Ok(())
}

/// The state of a generation that is as it was made.
///
/// # Errors
/// As [`ensure`]. Nothing is made.
pub(super) async fn check(
    client: &Client,
    names: &Names,
    generation: u32,
    deployment: Uuid,
) -> Result<(GenerationState, Written), ViewError> {
    let (state, written) = state::load(client, names, generation).await?;
    not_of_another(&state, deployment)?;
    let written = written.ok_or_else(|| damaged("its positions are gone"))?;

    let found = describe(client, &names.orders(generation)).await?;
    let found = found.ok_or_else(|| gone(names, generation))?;
    checked(&found, names, generation, &state)?;
    Ok((state, written))
}

/// # Errors
/// [`ViewError::Foreign`] when a generation is another deployment's.
pub(super) fn not_of_another(state: &GenerationState, deployment: Uuid) -> Result<(), ViewError> {
    match state.deployment {
        Some(other) if other != deployment => Err(ViewError::foreign(VIEW, other, deployment)),
        _ => Ok(()),
    }
}

/// All generations that have an index, and whose they are.
pub(super) async fn generations(client: &Client, names: &Names) -> Result<Vec<Found>, ViewError> {
    let mut generations = Vec::new();
    for number in numbers(client, names).await? {
        let state = state::load(client, names, number).await;
        generations.push(Found {
            number,
            // What cannot be read says nothing.
            deployment: state.ok().and_then(|(state, _)| state.deployment),
        });
    }
    Ok(generations)
}

/// The id of the index, when it is the right one.
fn checked(
    found: &Described,
    names: &Names,
    generation: u32,
    state: &GenerationState,
) -> Result<String, ViewError> {
    if let Some(why) = found.is_wrong(names, generation) {
        return Err(damaged(why));
    }
    let is_another = |index: &String| index != found.id();
    if state.index.as_ref().is_some_and(is_another) {
        let index = names.orders(generation);
        return Err(damaged(format_args!("index {index} is not the one it was")));
    }
    Ok(found.id().to_owned())
}

fn gone(names: &Names, generation: u32) -> ViewError {
    damaged(format_args!("index {} is gone", names.orders(generation)))
}
