//! Customers: their credit, and their events folded against row and document.

use domain::{Money, Timestamp};
use store::services::customers::tables::customer;
use store::services::customers::{self, credit};
use store::snapshot::{IdRange, Snapshot, entities};

use super::AuditError;
use super::entities::AuditedCustomer;
use super::extent::Extent;
use super::problem::{Mismatch, Problem, row_of};
use super::ranges::{ENTITIES, Range, Row, Rows, subject};
use super::report::{Invariant, Report};
use super::stores::Stores;
use projections::shop::entity_documents;

/// Lists at most this many violations of the credit: beyond that, their number no longer matters.
const MISMATCHES: u32 = 100_000;

pub(super) async fn audit(stores: &Stores) -> Result<Report, AuditError> {
    let mut report = Report::default();
    report.checked(Invariant::Credit, 0);
    let mut parts = stores.parts_of(domain::CUSTOMERS).await?;
    if stores.extent == Extent::Full {
        // One statement, which is one snapshot and one walk over all reservations.
        check_credit(stores, IdRange::default(), &mut report).await?;
        check_orphans(stores, &mut report).await?;
    }

    let mut after = None;
    loop {
        let range = entities::next_range(&stores.customers, after, ENTITIES).await?;
        if parts.takes().await {
            if stores.extent != Extent::Full {
                check_credit(stores, range, &mut report).await?;
            }
            compare(stores, range, &mut report).await?;
        }
        match range.up_to {
            Some(last) => after = Some(last),
            None => return Ok(report),
        }
    }
}

async fn check_credit(
    stores: &Stores,
    range: IdRange,
    report: &mut Report,
) -> Result<(), AuditError> {
    for wrong in credit::mismatches(&stores.customers, range, MISMATCHES).await? {
        let reserved = Money::from_cents(wrong.reserved_cents);
        let limit = Money::from_cents(wrong.credit_limit_cents);
        let subject = subject(domain::CUSTOMERS, wrong.customer_id);
        let problem = if wrong.reserved_cents == wrong.reservations_cents {
            Problem::new(
                subject,
                "reserved",
                format_args!("0.00 to {limit}"),
                reserved,
            )
        } else {
            let sum = Money::from_cents(wrong.reservations_cents);
            Problem::new(
                subject,
                "reserved",
                format_args!("{sum}, the sum of its reservations"),
                reserved,
            )
        };
        report.violated_by(Invariant::Credit, problem);
    }

    Ok(())
}

async fn check_orphans(stores: &Stores, report: &mut Report) -> Result<(), AuditError> {
    for orphan in credit::orphans(&stores.customers, MISMATCHES).await? {
        let found = format!(
            "{} for {}",
            Money::from_cents(orphan.amount_cents),
            orphan.customer_id
        );
        let subject = format!("reservation of order {}", orphan.order_id);
        let problem = Problem::new(
            subject,
            "reservation",
            "an amount above 0.00 of a known customer",
            found,
        );
        report.violated_by(Invariant::Credit, problem);
    }

    Ok(())
}

async fn compare(stores: &Stores, range: IdRange, report: &mut Report) -> Result<(), AuditError> {
    let views = stores.customer_views(range, report).await?;
    let snapshot = Snapshot::begin(&stores.customers).await?;
    let key = customer::Column::CustomerId;
    let stored = snapshot.rows_as_read::<customer::Entity>(key, range);
    let stored = stored.await?;
    report.checked(Invariant::Credit, stored.len());
    let mut rows = Rows::default();

    for row in stored {
        match row {
            Err(unreadable) => rows.unreadable(&unreadable, report),
            Ok(row) => {
                let id = row.customer_id;
                if let Err(error) = customers::from_row(row.clone()) {
                    let subject = row_of("customers", id);
                    let problem = Problem::of(subject, Mismatch::of_row(&error));
                    report.violated_by(Invariant::History, problem);
                }
                let (version, updated_at) = (row.version, Timestamp::from_micros(row.updated_at));
                let row = Row {
                    document: entity_documents::customer(row),
                    version,
                    updated_at,
                };
                rows.insert(id, row);
            }
        }
    }

    let entities = Range::<AuditedCustomer> {
        service: domain::CUSTOMERS,
        shards: stores.shards,
        rows,
        views,
        report,
    };
    entities.compare(&snapshot, range).await?;

    Ok(snapshot.end().await?)
}
