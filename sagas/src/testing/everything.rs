//! Every way in which things can go wrong for a saga.

use super::World;
use super::chance::Chance;
use super::simulation::{Plan, Simulation, Stop, refusals_of};
use crate::{Definition, SagaData, Step};

/// The number of random runs.
const BY_CHANCE: u64 = 300;

/// Runs a saga to its end in every way that can be told apart: each step refused, each local effect
/// refused, stopped, timed out and given up at every moment, with everything delivered once or
/// twice, restarted at every moment or never. Then it runs the saga at random, in any order that
/// keeps the order between the saga and each participant.
///
/// # Panics
/// When the world finds something wrong at the end, or there is none.
pub fn survives_everything<D: SagaData, W: World<D>>(
    definition: &'static Definition<D>,
    data: &D,
    world: &W,
) {
    for stress in [false, true] {
        let plain = Plan {
            stress,
            ..Plan::default()
        };
        let begin = |plan: &Plan| Simulation::begin(definition, data.clone(), world.clone(), plan);
        let plain = begin(&plain).run_to_the_end();

        for moment in 0..=plain.moments {
            for stop in [Stop::Operator, Stop::Deadline] {
                for refused in 0..=plain.commands {
                    let plan = Plan {
                        stress,
                        stop: Some((moment, stop)),
                        refuse_command: Some(refused),
                        ..Plan::default()
                    };
                    begin(&plan).run_to_the_end();
                }
            }
        }

        for moment in 0..=plain.moments {
            for refused in 0..=plain.commands {
                let plan = Plan {
                    stress,
                    give_up: Some(moment),
                    refuse_command: Some(refused),
                    ..Plan::default()
                };
                begin(&plan).run_to_the_end();
            }
        }

        for refused in 0..plain.commands {
            for refusal in 0..refusals(definition) {
                let plan = Plan {
                    stress,
                    refuse_command: Some(refused),
                    refusal,
                    ..Plan::default()
                };
                begin(&plan).run_to_the_end();
            }
        }

        for refused in 0..plain.locals {
            for moment in 0..=plain.moments {
                let plan = Plan {
                    stress,
                    refuse_local: Some(refused),
                    stop: Some((moment, Stop::Operator)),
                    ..Plan::default()
                };
                begin(&plan).run_to_the_end();
            }
        }
    }

    for seed in 0..BY_CHANCE {
        let plan = Plan {
            stress: seed % 2 == 0,
            ..Plan::default()
        };
        let simulation = Simulation::begin(definition, data.clone(), world.clone(), &plan);
        simulation.run_by_chance(Chance::seeded(seed));
    }
}

/// The largest number of refusals that any step of the saga knows.
fn refusals<D: SagaData>(definition: &Definition<D>) -> usize {
    let of = |step: &Step<D>| refusals_of(step.action).count();
    definition.steps.iter().map(of).max().unwrap_or(0)
}
