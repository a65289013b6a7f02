//! Makes a history that fails smaller: whatever it does without is left out.

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
    let mut piece = list(&mut plan).len().div_ceil(2);

    while piece > 0 {
        let mut from = 0;
        while from < list(&mut plan).len() {
            let mut smaller = plan.clone();
            let items = list(&mut smaller);
            let to = (from + piece).min(items.len());
            items.drain(from..to);

            match fails(&smaller) {
                true => plan = smaller,
                false => from += piece,
            }
        }
        piece /= 2;
    }
    plan
}
