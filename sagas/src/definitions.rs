//! The definitions that a service knows, and stored runs that fit none of them.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::definition::Mistake;
use crate::{Definition, SagaData, StepRecord};

/// The sagas of one service, in all versions that still run.
pub struct Definitions<D: SagaData>(&'static [&'static Definition<D>]);

/// A stored run that fits no definition. This run stops, and no other.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unresolved {
    /// The run began under a name or version that no definition has or carries over.
    #[error("this release knows no version {version} of saga {name}")]
    UnknownDefinition {
        /// The saga's name, as stored.
        name: String,
        /// The version that the run is stored under.
        version: u16,
    },
    /// The written step that carries the run over panicked.
    #[error("carrying version {from} of saga {name} over to version {version} panicked: {panic}")]
    NotCarriedOver {
        /// The saga's name.
        name: &'static str,
        /// The version that carries over.
        version: u16,
        /// The version that the run is stored under.
        from: u16,
        /// The text of the panic.
        panic: String,
    },
    /// The run has a step that its definition lacks.
    #[error("version {version} of saga {name} has no step {step}")]
    UnknownStep {
        /// The saga's name.
        name: &'static str,
        /// The version of the definition.
        version: u16,
        /// The step's name, as stored.
        step: String,
    },
    /// The definition has a step that the run lacks.
    #[error("version {version} of saga {name} has a step {step}, which the run lacks")]
    MissingStep {
        /// The saga's name.
        name: &'static str,
        /// The version of the definition.
        version: u16,
        /// The step's name.
        step: &'static str,
    },
}

impl<D: SagaData> Definitions<D> {
    /// In any order.
    #[must_use]
    pub const fn of(definitions: &'static [&'static Definition<D>]) -> Self {
        Definitions(definitions)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &'static Definition<D>> {
        self.0.iter().copied()
    }

    /// What is wrong with them. Ask before anything runs.
    #[must_use]
    pub fn mistakes(&self) -> Vec<Mistake> {
        let twice = self.0.iter().enumerate().filter(|(place, definition)| {
            self.0
                .iter()
                .take(*place)
                .any(|earlier| earlier == *definition)
        });
        let twice = twice.map(|(_, definition)| Mistake::DefinitionTwice {
            saga: definition.name,
            version: definition.version,
        });

        let within = self.0.iter().flat_map(|definition| definition.mistakes());
        twice.chain(within).collect()
    }

    /// The newest version of a saga: the one that new runs begin under.
    #[must_use]
    pub fn newest(&self, name: &str) -> Option<&'static Definition<D>> {
        self.iter()
            .filter(|definition| definition.name == name)
            .max_by_key(|definition| definition.version)
    }

    /// This version of a saga.
    #[must_use]
    pub fn get(&self, name: &str, version: u16) -> Option<&'static Definition<D>> {
        self.iter()
            .find(|definition| definition.name == name && definition.version == version)
    }

    /// The deadline that this version of a saga sets for its runs.
    #[must_use]
    pub fn deadline_of(&self, name: &str, version: u16) -> Option<Duration> {
        self.get(name, version)?.deadline
    }

    /// The definition under which a stored run goes on: the version it began with, or one that
    /// carries it over. The records then fit the definition's steps.
    ///
    /// # Errors
    /// When nobody knows that version, or a step of the run.
    pub fn resolve(
        &self,
        name: &str,
        version: u16,
        mut steps: Vec<StepRecord>,
        data: &mut D,
    ) -> Result<(&'static Definition<D>, Vec<StepRecord>), Unresolved> {
        if let Some(definition) = self.get(name, version) {
            name_steps_of_release_0_1(definition, &mut steps);
            return definition.fit(steps);
        }

        let carries = |definition: &'static Definition<D>| {
            let mut from = definition.carried_over.iter();
            let carry_over = from.find(|carry_over| carry_over.from == version)?;
            Some((definition, carry_over))
        };

        let (definition, carry_over) = self
            .iter()
            .filter(|definition| definition.name == name)
            .find_map(carries)
            .ok_or_else(|| Unresolved::UnknownDefinition {
                name: name.to_owned(),
                version,
            })?;

        // It may meet what whoever wrote it did not think of: then this run stops, and no other.
        let carry = AssertUnwindSafe(|| (carry_over.carry)(steps, data));
        let steps = catch_unwind(carry).map_err(|panic| Unresolved::NotCarriedOver {
            name: definition.name,
            version: definition.version,
            from: version,
            panic: text_of(panic.as_ref()),
        })?;
        definition.fit(steps)
    }
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (None, Some(text)) => text.clone(),
        (None, None) => "without a text".to_owned(),
    }
}

impl<D: SagaData> Definition<D> {
    /// Whether records and steps are the same, in the same order. The records get the definition's
    /// own names, which need no memory.
    pub(crate) fn fit(
        &'static self,
        mut records: Vec<StepRecord>,
    ) -> Result<(&'static Self, Vec<StepRecord>), Unresolved> {
        let (name, version) = (self.name, self.version);

        for (record, step) in records.iter_mut().zip(self.steps) {
            if record.name != step.name {
                let step = record.name.clone().into_owned();
                return Err(Unresolved::UnknownStep {
                    name,
                    version,
                    step,
                });
            }
            record.name = step.name.into();
        }

        if let Some(surplus) = records.get(self.steps.len()) {
            let step = surplus.name.clone().into_owned();
            return Err(Unresolved::UnknownStep {
                name,
                version,
                step,
            });
        }

        match self.steps.get(records.len()) {
            Some(missing) => Err(Unresolved::MissingStep {
                name,
                version,
                step: missing.name,
            }),
            None => Ok((self, records)),
        }
    }
}

/// Release 0.1 stored the steps of first versions by their place alone.
fn name_steps_of_release_0_1<D: SagaData>(definition: &Definition<D>, records: &mut [StepRecord]) {
    if definition.version == 1 && records.iter().all(|record| record.name.is_empty()) {
        for (record, step) in records.iter_mut().zip(definition.steps) {
            record.name = step.name.into();
        }
    }
}

impl<D: SagaData> Clone for Definitions<D> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<D: SagaData> Copy for Definitions<D> {}

impl<D: SagaData> fmt::Debug for Definitions<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0).finish()
    }
}

#[cfg(test)]
mod tests;
