//! The customer actor: one customer's credit, decided one command after the other.

use ::sagas::Fingerprint;
use actix::{Actor, Context, Handler, Message};
use domain::customer::{CustomerCreated, CustomerEvent};
use domain::messages::{CustomerAnswer, CustomerCommand, CustomerReply, NoCustomer};
use domain::{Customer, CustomerId, Money, OrderId, Timestamp};
use store::faults::Faults;
use store::rows::{Journaled, RowChange};
use store::services::customers::tables::reservation;
use store::services::customers::{self, StoredCustomer};

use crate::gateway::NewCustomer;
use crate::step::StepError;
use crate::supervision::{ActorError, guarded};

/// How many messages may wait in an entity's mailbox. Its shard asks one thing at a time.
pub(crate) const MAILBOX: usize = 4;

/// What a customer is asked.
#[derive(Debug)]
pub(crate) enum Ask {
    Create {
        request: NewCustomer,
        created_by: Option<Fingerprint>,
    },
    /// `stored` is the order's reservation as the database had it when units up to
    /// `durable_at_read` were durable, or later.
    Credit {
        command: CustomerCommand,
        stored: Option<Money>,
        durable_at_read: u64,
        ticket: u64,
    },
}

#[derive(Debug, Message)]
#[rtype(result = "Result<Told, ActorError>")]
pub(crate) struct AskCustomer {
    pub ask: Ask,
    pub now: Timestamp,
}

/// What a customer tells.
#[derive(Debug)]
pub(crate) struct Told {
    /// The event and the rows that follow from it, when something changed.
    pub change: Option<Change>,
    pub outcome: Outcome,
}

#[derive(Debug)]
pub(crate) struct Change {
    pub event: CustomerEvent,
    pub version: u64,
    pub at: Timestamp,
    pub rows: Vec<RowChange>,
}

#[derive(Debug)]
pub(crate) enum Outcome {
    Created {
        version: u64,
    },
    /// The id follows from a key that another request has used.
    KeyReused,
    Replied(CustomerReply),
}

pub(crate) struct CustomerActor {
    id: CustomerId,
    stored: Option<StoredCustomer>,
    /// Reservations changed by units that may not be durable yet, with their tickets: the database
    /// does not show them.
    in_flight: Vec<(u64, OrderId, Option<Money>)>,
    faults: Faults,
}

impl CustomerActor {
    pub(crate) fn new(id: CustomerId, stored: Option<StoredCustomer>, faults: Faults) -> Self {
        CustomerActor {
            id,
            stored,
            in_flight: Vec::new(),
            faults,
        }
    }

    fn decide(&mut self, ask: Ask, now: Timestamp) -> Told {
        match ask {
            Ask::Create {
                request,
                created_by,
            } => self.create(request, created_by, now),
            Ask::Credit {
                command,
                stored,
                durable_at_read,
                ticket,
            } => {
                // Whatever was read for this turn shows these already.
                self.in_flight
                    .retain(|(ticket, ..)| *ticket > durable_at_read);
                self.credit(&command, stored, ticket, now)
            }
        }
    }

    fn create(
        &mut self,
        request: NewCustomer,
        created_by: Option<Fingerprint>,
        now: Timestamp,
    ) -> Told {
        if let Some(stored) = &self.stored {
            let outcome = if stored.created_by == created_by {
                Outcome::Created {
                    version: stored.entity.version,
                }
            } else {
                Outcome::KeyReused
            };
            return Told {
                change: None,
                outcome,
            };
        }

        let created = CustomerCreated {
            name: request.name,
            credit_limit: request.credit_limit,
        };

        let customer = Customer::created(self.id, &created, now);
        let stored = StoredCustomer {
            entity: customer,
            created_by,
            remembered: Vec::new(),
        };
        let rows = vec![customers::to_row(&stored).insert()];
        self.stored = Some(stored);

        let change = Change {
            event: CustomerEvent::Created(created),
            version: 1,
            at: now,
            rows,
        };

        Told {
            change: Some(change),
            outcome: Outcome::Created { version: 1 },
        }
    }

    fn credit(
        &mut self,
        command: &CustomerCommand,
        stored: Option<Money>,
        ticket: u64,
        now: Timestamp,
    ) -> Told {
        let request = command.request();

        let in_flight = self
            .in_flight
            .iter()
            .rev()
            .find(|(_, order, _)| *order == request.order_id);
        let existing = in_flight.map_or(stored, |(_, _, reservation)| *reservation);

        let Some(known) = self.stored.as_mut() else {
            let reply = CustomerReply::CustomerNotFound(NoCustomer {});
            return Told {
                change: None,
                outcome: Outcome::Replied(reply),
            };
        };

        self.faults.panic_if(
            self.faults.plan().panic_customer.as_ref(),
            Some(&known.entity.name),
        );

        let customer = &known.entity;

        let (event, granted) = match command {
            CustomerCommand::ReserveCredit(_) | CustomerCommand::RestoreCredit(_) => {
                match customer.reserve(request.order_id, request.amount, existing) {
                    Ok(event) => (event, true),
                    Err(_) => (None, false),
                }
            }
            CustomerCommand::ReleaseCredit(_) => {
                (customer.release(request.order_id, existing), true)
            }
        };

        let change = event.map(|event| {
            let change = apply(known, event, now);
            let reservation = match &change.event {
                CustomerEvent::CreditReserved(reserved) => Some(reserved.amount),
                _ => None,
            };
            self.in_flight.push((ticket, request.order_id, reservation));
            change
        });

        let answer = CustomerAnswer {
            customer_name: known.entity.name.clone(),
            customer_version: known.entity.version,
        };

        let reply = match (command, granted) {
            (CustomerCommand::ReleaseCredit(_), _) => CustomerReply::CreditReleased(answer),
            (_, true) => CustomerReply::CreditReserved(answer),
            (_, false) => CustomerReply::CreditLimitExceeded(answer),
        };

        Told {
            change,
            outcome: Outcome::Replied(reply),
        }
    }
}

fn apply(stored: &mut StoredCustomer, event: CustomerEvent, now: Timestamp) -> Change {
    let expected_version = stored.entity.version;
    let at = now.max(stored.entity.updated_at);
    stored.entity.apply(&event, at);
    let customer = &stored.entity;
    let mut rows = vec![customers::to_row(stored).update(expected_version)];

    match &event {
        CustomerEvent::CreditReserved(change) => {
            rows.push(
                customers::reservation_row(customer.id, change.order_id, change.amount).insert(),
            );
        }
        CustomerEvent::CreditReleased(change) => {
            rows.push(reservation::Model::delete(change.order_id.0))
        }
        CustomerEvent::Created(_) => {}
    }

    Change {
        version: customer.version,
        event,
        at,
        rows,
    }
}

impl Actor for CustomerActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.set_mailbox_capacity(MAILBOX);
    }
}

impl Handler<AskCustomer> for CustomerActor {
    type Result = Result<Told, ActorError>;

    fn handle(&mut self, message: AskCustomer, context: &mut Self::Context) -> Self::Result {
        guarded(context, || {
            Ok::<_, StepError>(self.decide(message.ask, message.now))
        })
    }
}
