//! Callers: each does one thing, as its manner is, and notes what it was told.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use actors::{
    CommandError, Follow, NewCustomer, NewOrder, Operator, OrderAccepted, OrderAnswer,
    RequestBinding, SagaAction,
};
use domain::saga::{CANCEL_ORDER, CREATE_ORDER, id_of};
use domain::{CustomerId, Money, OrderId, OrderState};
use tests::{Answers, Told};

use crate::plan::{Act, Deed, Manner};
use crate::views::Reader;
use crate::world::{World, name_of};

/// A caller that comes back waits so long.
const PAUSE: Duration = Duration::from_millis(700);

/// The version of an order that is cancelled as soon as it is approved.
const CANCEL_REQUESTED: u64 = 3;

/// What callers were told, by the number of the act.
#[derive(Default)]
pub struct Ledger {
    pub told: RefCell<Answers>,
    /// How many callers without a key do not know what has become of their order.
    pub in_doubt: Cell<usize>,
}

impl Ledger {
    /// A caller has heard nothing, or nothing certain.
    fn doubt(&self, act: &Act) {
        if !act.manner.key && matches!(act.what, Deed::Order { .. }) {
            self.in_doubt.set(self.in_doubt.get() + 1);
        }
    }

    /// The order that an act has made, as far as anybody knows.
    pub fn order_of(&self, act: usize, world: &World) -> Option<OrderId> {
        if let Some(told) = self.told.borrow().first(act) {
            return Some(OrderId(told.entity));
        }
        let made = world.plan.act(act)?;
        let binding = binding_of(act, &made.what, made.manner)?;
        Some(OrderId(binding.key.as_uuid()))
    }
}

/// The key of an act, if its caller uses one.
pub fn binding_of(number: usize, what: &Deed, manner: Manner) -> Option<RequestBinding> {
    let value = format!("{what:?}");
    let key = format!("act {number}");
    manner
        .key
        .then(|| RequestBinding::new("the simulator", &key, value.as_bytes()))
}

/// The id that a customer of this number has.
pub fn customer_id(number: usize) -> CustomerId {
    CustomerId(customer_key(number).key.as_uuid())
}

fn customer_key(number: usize) -> RequestBinding {
    RequestBinding::new("customers", &name_of(number), b"a customer")
}

/// Creates a customer, however long it takes.
pub async fn create_customer(world: Rc<World>, number: usize, cents: i64) {
    let request = NewCustomer {
        name: name_of(number),
        credit_limit: Money::from_cents(cents),
    };
    loop {
        if let Some(gateway) = world.gateway() {
            let binding = Some(customer_key(number));
            match gateway.create_customer(request.clone(), binding).await {
                Ok(answer) => {
                    if answer.entity.id != customer_id(number) {
                        world.violated(format!("customer {number} has another id than its key"));
                    }
                    world.tell(&format!("customer {number} is there"));
                    return;
                }
                Err(error) => world.tell(&format!("customer {number}: {error}")),
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// How an attempt has ended.
enum Attempt {
    /// The caller knows what it wanted to know.
    Settled,
    /// It does not, and comes back if it has a key.
    Open,
    /// Nothing was done, and it comes back if it has a key.
    NotTaken,
}

/// Does what an act says.
pub async fn act(world: Rc<World>, ledger: Rc<Ledger>, act: Act) {
    world.until(act.at).await;
    ask(&world, &ledger, &act).await;
    read(&world, &ledger, &act).await;
}

/// Asks the view for what it was told.
async fn read(world: &World, ledger: &Ledger, act: &Act) {
    let Some(newest) = ledger.told.borrow().last(act.number) else {
        return;
    };
    let order = OrderId(newest.entity);
    let reader = Reader::default();
    reader.sees(order, newest.version);
    for _ in 0..act.reads {
        reader.read(world, order).await;
        tokio::time::sleep(PAUSE).await;
    }
}

async fn ask(world: &World, ledger: &Ledger, act: &Act) {
    let number = act.number;
    let mut patience = act.manner.patience;

    loop {
        let attempt = attempt(world, ledger, number, act.what, act.manner);
        let outcome = tokio::time::timeout(patience, attempt).await;
        match outcome {
            Ok(Attempt::Settled) => return,
            Ok(Attempt::NotTaken) => {}
            Ok(Attempt::Open) => ledger.doubt(act),
            Err(_) => {
                ledger.doubt(act);
                world.tell(&format!("caller {number} hangs up"));
                patience *= 3;
            }
        }

        if !act.manner.key {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn attempt(
    world: &World,
    ledger: &Ledger,
    number: usize,
    what: Deed,
    manner: Manner,
) -> Attempt {
    let Some(gateway) = world.gateway() else {
        return Attempt::NotTaken;
    };
    let binding = binding_of(number, &what, manner);
    let follow = match manner.wait.is_zero() {
        true => Follow::Nothing,
        false => Follow::saga(),
    };
    let order_of = |act| ledger.order_of(act, world);

    let answer = match what {
        Deed::Order { customer, cents } => {
            let new = NewOrder {
                customer_id: customer_id(customer),
                total: Money::from_cents(cents),
                lines: Vec::new(),
                note: None,
            };
            gateway.create_order(new, binding, follow).await
        }
        Deed::Cancel { order } => match order_of(order) {
            Some(order) => gateway.cancel_order(order, binding, follow).await,
            None => return Attempt::Settled,
        },
        Deed::Ship { order } => match order_of(order) {
            Some(order) => gateway.ship_order(order, binding).await.map(Into::into),
            None => return Attempt::Settled,
        },
        Deed::StopSaga { order } | Deed::StopCancel { order } => {
            let Some(order) = order_of(order) else {
                return Attempt::Settled;
            };
            let saga = match what {
                Deed::StopCancel { .. } => id_of(&CANCEL_ORDER, order, CANCEL_REQUESTED),
                _ => id_of(&CREATE_ORDER, order, 1),
            };
            return match gateway
                .operate_saga(saga, SagaAction::Cancel, Operator::anonymous(), binding)
                .await
            {
                Ok(answer) => {
                    world.tell(&format!("caller {number}: the saga is {:?}", answer.state));
                    Attempt::Settled
                }
                Err(error) => refused(world, number, &error),
            };
        }
    };

    let heard = match answer {
        Ok(accepted) => hear(world, ledger, (number, what), accepted, manner.wait).await,
        Err(error) => Err(error),
    };
    match heard {
        Ok(()) => Attempt::Settled,
        Err(error) => refused(world, number, &error),
    }
}

/// What a caller hears of its order. Every other one that waits hears of nothing before the end, as
/// over HTTP.
async fn hear(
    world: &World,
    ledger: &Ledger,
    (number, what): (usize, Deed),
    mut accepted: OrderAccepted,
    wait: Duration,
) -> Result<(), CommandError> {
    if !wait.is_zero() && number.is_multiple_of(2) {
        let ended = accepted.ended_within(wait).await?;
        note(world, ledger, number, &ended);
        return Ok(());
    }

    let first = accepted.begun().await?.clone();
    note(world, ledger, number, &first);
    let mut ended = accepted.ended_within(wait).await?;
    if !wait.is_zero() {
        // The end of a saga is told to all who wait for it alike.
        ended.repeated = first.repeated;
        note(world, ledger, number, &ended);
        is_an_end(world, (number, what), &first, &ended);
    }
    Ok(())
}

/// What a caller is told that has waited is an end of what it has begun. It is not compared with
/// the first answer: that may be one to a question that came twice, and show what others have done
/// since.
fn is_an_end(world: &World, act: (usize, Deed), first: &OrderAnswer, last: &OrderAnswer) {
    let (number, what) = act;
    let version = last.entity.version;
    if version == first.entity.version {
        return;
    }

    let (order, state) = (short(last.entity.id), last.entity.state);
    if matches!(what, Deed::Cancel { .. }) && version < CANCEL_REQUESTED {
        world.violated(format!(
            "caller {number} has cancelled order {order}, and is told of an end at version {version}"
        ));
    }

    // Without a saga it is the order itself that has ended; with one, others may have begun
    // another.
    let is_open = match last.saga_id {
        None => matches!(state, OrderState::Pending | OrderState::CancelPending),
        Some(_) => state == OrderState::Pending,
    };
    if is_open {
        world.violated(format!(
            "caller {number} is told that order {order} has ended, and it is {state:?}"
        ));
    }
}

fn note(world: &World, ledger: &Ledger, number: usize, answer: &OrderAnswer) {
    let order = &answer.entity;
    world.tell(&format!(
        "caller {number}: order {} is {:?} at version {}{}",
        short(order.id),
        order.state,
        order.version,
        if answer.repeated { ", once more" } else { "" }
    ));
    let told = Told {
        entity: order.id.0,
        version: order.version,
        repeated: answer.repeated,
    };
    ledger.told.borrow_mut().note(number, told);
}

fn refused(world: &World, number: usize, error: &CommandError) -> Attempt {
    world.tell(&format!("caller {number}: {error}"));
    match error {
        CommandError::Overloaded => Attempt::NotTaken,
        CommandError::Unavailable | CommandError::Failed => Attempt::Open,
        CommandError::NotFound(_) | CommandError::Conflict(_) => Attempt::Settled,
        CommandError::KeyReused => {
            world.violated(format!("caller {number}'s key was used by somebody else"));
            Attempt::Settled
        }
    }
}

/// An id as a story shows it.
pub fn short(order: OrderId) -> String {
    let text = order.0.simple().to_string();
    text.chars().skip(24).collect()
}
