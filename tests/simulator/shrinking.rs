//! Makes a history that fails smaller: whatever it does without is left out.

use tests::Pieces;

use crate::plan::Plan;

/// The smallest plan found that still fails.
pub fn shrunk(plan: Plan, fails: impl Fn(&Plan) -> bool) -> Plan {
    let mut plan = plan;
    loop {
        let before = size(&plan);
        plan = without(plan, |plan| &mut plan.faults, &fails);
        plan = without(plan, |plan| &mut plan.acts, &fails);
        if size(&plan) == before {
            return plan;
        }
    }
}

fn size(plan: &Plan) -> usize {
    plan.faults.len() + plan.acts.len()
}

/// Leaves out pieces of a list, halves first, as long as the plan fails without them.
fn without<T: Clone>(
    mut plan: Plan,
    list: impl Fn(&mut Plan) -> &mut Vec<T>,
    fails: &impl Fn(&Plan) -> bool,
) -> Plan {
    let mut pieces = Pieces::of(list(&mut plan).len());

    while let Some(piece) = pieces.next(list(&mut plan).len()) {
        let mut smaller = plan.clone();
        list(&mut smaller).drain(piece);
        match fails(&smaller) {
            true => plan = smaller,
            false => pieces.stays(),
        }
    }
    plan
}
