//! The statements of the read side. Each walks an index from the place of the cursor and stops at
//! the limit.

use domain::{Money, OrderId, OrderState};
use sea_orm::sea_query::{Expr, ExprTrait, Order as Direction, Query, SelectStatement, UnionType};
use sea_orm::{
    ColumnTrait, EntityTrait, JoinType, QueryFilter, QueryOrder, QuerySelect, Select, SelectTwo,
};
use uuid::Uuid;

use crate::documents::cursor::Place;
use crate::documents::sqlite::conversions::state_number;
use crate::documents::sqlite::tables::{
    customer_document, customer_largest_order, order_document, view_position,
};
use crate::documents::{CustomersQuery, VIEW};
use crate::shop::letters::fold;

/// An order, if there is one, beside the positions of the view.
pub(in crate::documents::sqlite) fn order_with_positions(
    id: OrderId,
) -> SelectTwo<view_position::Entity, order_document::Entity> {
    let is_order = Expr::col((order_document::Entity, order_document::Column::Id)).eq(id.0);

    let mut select =
        view_position::Entity::find_by_id(VIEW.to_owned()).select_also(order_document::Entity);
    QuerySelect::query(&mut select).join(JoinType::LeftJoin, order_document::Entity, is_order);
    select
}

/// The newest orders of a customer.
pub(in crate::documents::sqlite) struct NewestOrders {
    /// Whose orders.
    pub customer: Uuid,
    /// `None` = in any state.
    pub state: Option<OrderState>,
    /// Only those behind this place.
    pub after: Option<Place>,
    /// At most so many.
    pub limit: u64,
}

impl NewestOrders {
    /// The index is by customer, state and time: orders in any state are the newest of each,
    /// merged. So no list of a customer with a million orders reads more than some pages of it.
    pub(in crate::documents::sqlite) fn statement(&self) -> SelectStatement {
        use order_document::Column;

        let mut found = match self.state {
            Some(state) => self.in_state(state),
            None => {
                let [first, others @ ..] = OrderState::ALL.map(|state| {
                    // SQLite takes an order and a limit in a part of a union only inside a query of
                    // its own.
                    let mut part = Query::select();
                    part.column(Column::Id)
                        .from_subquery(self.in_state(state), "part");
                    part
                });
                let mut merged = first;
                merged.unions(others.map(|part| (UnionType::All, part)));
                merged
            }
        };

        let columns = [
            Column::Id,
            Column::State,
            Column::TotalCents,
            Column::CreatedAt,
            Column::Version,
            Column::RejectionReason,
        ];

        let mut rows = Query::select();
        rows.columns(columns)
            .from(order_document::Entity)
            .and_where(Column::Id.in_subquery(found.take()));

        newest_first(&mut rows, self.limit);

        rows
    }

    fn in_state(&self, state: OrderState) -> SelectStatement {
        use order_document::Column;

        let mut select = Query::select();
        select
            .column(Column::Id)
            .from(order_document::Entity)
            .and_where(Expr::col(Column::CustomerId).eq(self.customer))
            .and_where(Expr::col(Column::State).eq(state_number(state)));

        if let Some(Place { created_at, id }) = self.after {
            let place = Expr::tuple([Expr::col(Column::CreatedAt), Expr::col(Column::Id)]);
            select.and_where(place.lt(Expr::tuple([Expr::value(created_at), Expr::value(id)])));
        }

        newest_first(&mut select, self.limit);

        select
    }
}

fn newest_first(select: &mut SelectStatement, limit: u64) {
    use order_document::Column;
    select
        .order_by(Column::CreatedAt, Direction::Desc)
        .order_by(Column::Id, Direction::Desc)
        .limit(limit);
}

/// The customers a query asks for, one beyond its limit.
pub(in crate::documents::sqlite) fn customers(
    query: &CustomersQuery,
    after: Option<Place>,
) -> Select<customer_document::Entity> {
    use customer_document::{Column, Entity};

    let mut select = Entity::find();
    if let Some(since) = query.since {
        select = select.filter(Column::CreatedAt.gt(since.micros()));
    }

    for word in query.name.as_deref().unwrap_or_default().split_whitespace() {
        // Not LIKE: nothing in the word means anything but itself.
        select = select.filter(Expr::cust_with_values(
            "instr(name_folded, ?) > 0",
            [fold(word)],
        ));
    }

    if let Some(total) = query.min_order_total {
        select = select.filter(Expr::exists(ever_so_large(total)));
    }

    if query.min_order_total.is_some() || query.order_state.is_some() {
        select = select.filter(Expr::exists(matching_order(query)));
    }

    if let Some(Place { created_at, id }) = after {
        let place = Expr::tuple([Expr::col(Column::CreatedAt), Expr::col(Column::Id)]);
        select = select.filter(place.lt(Expr::tuple([Expr::value(created_at), Expr::value(id)])));
    }

    select
        .order_by_desc(Column::CreatedAt)
        .order_by_desc(Column::Id)
        .limit(u64::from(query.limit) + 1)
}

/// Whether the customer at hand has ever had an order of at least that total: most that have none
/// are told by this.
fn ever_so_large(total: Money) -> SelectStatement {
    use customer_largest_order::{Column, Entity};
    let customer = (customer_document::Entity, customer_document::Column::Id);
    let mut select = Query::select();
    select
        .expr(Expr::val(1))
        .from(Entity)
        .and_where(Expr::col((Entity, Column::CustomerId)).equals(customer))
        .and_where(Expr::col(Column::TotalCents).gte(total.cents()));
    select
}

/// An order of the customer at hand that meets the query.
fn matching_order(query: &CustomersQuery) -> SelectStatement {
    use order_document::Column;

    let states: Vec<i16> = match query.order_state {
        Some(state) => vec![state_number(state)],
        // All six are named so that each is one look into the index.
        None => OrderState::ALL.map(state_number).to_vec(),
    };

    let mut select = Query::select();
    select
        .expr(Expr::val(1))
        .from(order_document::Entity)
        .and_where(
            Expr::col((order_document::Entity, Column::CustomerId))
                .equals((customer_document::Entity, customer_document::Column::Id)),
        )
        .and_where(Expr::col(Column::State).is_in(states));

    if let Some(total) = query.min_order_total {
        select.and_where(Expr::col(Column::TotalCents).gte(total.cents()));
    }

    select
}
