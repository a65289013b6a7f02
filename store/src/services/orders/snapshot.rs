//! Rows of orders, for the auditor.

use std::collections::HashMap;

use domain::OrderId;
use domain::choreography::Choreography;
use sea_orm::{ColumnTrait, DerivePartialModel, EntityTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use super::choreography_from_column;
use super::tables::order;
use crate::mapping::IDS_PER_QUERY;
use crate::snapshot::{AsRead, IdRange, Snapshot};
use crate::tables::saga;
use crate::{ServiceDatabase, StoreError};

/// The columns of an order that its sagas must agree with.
#[derive(Clone, Debug, PartialEq, Eq, DerivePartialModel)]
#[sea_orm(entity = "order::Entity")]
pub struct SagaOrder {
    /// Its id.
    pub order_id: Uuid,
    /// Who has ordered.
    pub customer_id: Uuid,
    /// What it costs.
    pub total_cents: i64,
    /// By its name.
    pub state: String,
    /// By its name, when it was rejected.
    pub rejection_reason: Option<String>,
}

impl Snapshot {
    /// The orders that sagas work on, those of them that exist. One that cannot be read says
    /// nothing.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn orders_of(
        &self,
        sagas: &[saga::Model],
    ) -> Result<HashMap<Uuid, Option<SagaOrder>>, StoreError> {
        let mut found = HashMap::with_capacity(sagas.len());

        for sagas in sagas.chunks(IDS_PER_QUERY) {
            let query = order::Entity::find()
                .filter(order::Column::OrderId.is_in(sagas.iter().map(|saga| saga.entity_id)));
            let rows: Vec<AsRead<SagaOrder>> = self.each_partial(query).await?;
            found.extend(rows.into_iter().filter_map(|row| match row {
                Ok(order) => Some((order.order_id, Some(order))),
                Err(unreadable) => Some((unreadable.id?, None)),
            }));
        }

        Ok(found)
    }

    /// The orders of a range, by id.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn orders(&self, range: IdRange) -> Result<Vec<order::Model>, StoreError> {
        self.rows::<order::Entity>(order::Column::OrderId, range)
            .await
    }
}

/// What of an order its reservation depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderHead {
    /// Who has ordered.
    pub customer_id: Uuid,
    /// What it costs.
    pub total_cents: i64,
    /// By its name.
    pub state: String,
    /// Raised by each event.
    pub version: i64,
    /// What of it is done without sagas.
    pub choreography: Choreography,
}

impl OrderHead {
    /// The head of a row. What of it is done without sagas counts as nothing when it cannot be
    /// read.
    #[must_use]
    pub fn of(row: &order::Model) -> Self {
        OrderHead {
            customer_id: row.customer_id,
            total_cents: row.total_cents,
            state: row.state.clone(),
            version: row.version,
            choreography: readable(row.choreography.as_deref()),
        }
    }
}

fn readable(column: Option<&str>) -> Choreography {
    choreography_from_column(column, String::new).unwrap_or_default()
}

/// The head of an order.
///
/// # Errors
/// When the database does not answer.
pub async fn order_head(
    orders: &ServiceDatabase,
    order: OrderId,
) -> Result<Option<OrderHead>, StoreError> {
    use order::Column;

    let columns = [
        Column::CustomerId,
        Column::TotalCents,
        Column::State,
        Column::Version,
        Column::Choreography,
    ];

    let row: Option<(Uuid, i64, String, i64, Option<String>)> = order::Entity::find()
        .filter(Column::OrderId.eq(order.0))
        .select_only()
        .columns(columns)
        .into_tuple()
        .one(&orders.read)
        .await
        .map_err(|e| orders.failed(e))?;

    Ok(row.map(
        |(customer_id, total_cents, state, version, choreography)| OrderHead {
            customer_id,
            total_cents,
            state,
            version,
            choreography: readable(choreography.as_deref()),
        },
    ))
}
