//! The double answers queries and operators: it notes what they ask, and shows its samples.

use super::*;

fn one<T>(item: T) -> Listed<T> {
    Listed {
        items: vec![item],
        next: Some("more".to_owned()),
    }
}

impl Queries for Double {
    fn token_of(&self, seen: &[Seen]) -> String {
        seen.iter()
            .map(|seen| format!("{}.{}", seen.service, seen.version))
            .collect::<Vec<_>>()
            .join("-")
    }

    fn customer(&self, _: CustomerId, freshness: Freshness) -> QueryFuture<'_, CustomerWithOrders> {
        self.answer(
            freshness,
            CustomerWithOrders {
                customer: customer(),
                orders: vec![customer_order()],
            },
        )
    }

    fn customers(
        &self,
        query: CustomerQuery,
        freshness: Freshness,
    ) -> QueryFuture<'_, Listed<CustomerDocument>> {
        put(&self.customer_query, query);
        self.answer(freshness, one(customer()))
    }

    fn customer_count(&self, freshness: Freshness) -> QueryFuture<'_, u64> {
        self.answer(freshness, 5)
    }

    fn customer_orders(
        &self,
        _: CustomerId,
        _: Option<OrderState>,
        _: Page,
        freshness: Freshness,
    ) -> QueryFuture<'_, Listed<CustomerOrder>> {
        self.answer(freshness, one(customer_order()))
    }

    fn order(&self, _: OrderId, freshness: Freshness) -> QueryFuture<'_, OrderDocument> {
        self.answer(freshness, order())
    }

    fn orders(&self, query: OrderQuery, freshness: Freshness) -> QueryFuture<'_, OrdersFound> {
        put(&self.order_query, query);

        let hit = OrderHit {
            order: order(),
            score: Some(1.5),
            highlights: None,
        };

        self.answer(
            freshness,
            OrdersFound {
                listed: one(hit),
                total: 41,
            },
        )
    }
}

impl History for Double {
    /// There are three events.
    fn events(
        &self,
        _: Service,
        _: Uuid,
        from_version: u64,
        limit: usize,
    ) -> ReadFuture<'_, Vec<HistoryEvent>> {
        let event = |version| HistoryEvent {
            version,
            kind: "order.created".to_owned(),
            time: Timestamp::from_micros(0),
            data: serde_json::value::to_raw_value(&serde_json::json!({"a": 1})).unwrap(),
            message_id: id(),
            correlation_id: id(),
        };
        self.read((from_version..=3).take(limit).map(event).collect())
    }

    fn customer_as_of(&self, _: CustomerId, _: AsOf) -> ReadFuture<'_, CustomerDocument> {
        self.read(customer())
    }

    fn order_as_of(&self, _: OrderId, _: AsOf) -> ReadFuture<'_, OrderDocument> {
        self.read(order())
    }
}

impl Sagas for Double {
    fn list(&self, query: SagaQuery) -> ReadFuture<'_, Listed<SagaDetails>> {
        put(&self.saga_query, query);
        self.read(one(saga()))
    }

    fn show(&self, _: SagaId) -> ReadFuture<'_, SagaDetails> {
        self.read(saga())
    }
}

impl Actions for Double {
    fn list(&self, _: ActionQuery) -> ReadFuture<'_, Listed<OperatorAction>> {
        self.read(one(action()))
    }
}

impl Quarantine for Double {
    fn causes(&self) -> ReadFuture<'_, Vec<QuarantineCause>> {
        self.read(vec![QuarantineCause {
            cause: "there is no saga {id}".to_owned(),
            service: "orders".to_owned(),
            view: None,
            messages: 3,
            since: Timestamp::from_micros(0),
            newest: Timestamp::from_micros(1),
        }])
    }

    fn in_views(&self, query: &ParkedQuery) -> Vec<ParkedInView> {
        let is_meant = query.entity == Some(id());
        is_meant.then(parked_in_view).into_iter().collect()
    }

    fn list_in_views(&self, query: InViewsQuery) -> ReadFuture<'_, Listed<ParkedInView>> {
        put(&self.in_views_query, query);
        self.read(one(parked_in_view()))
    }

    fn show_in_view<'a>(&'a self, _: &'a str, _: Uuid) -> ReadFuture<'a, ParkedInView> {
        let event = EventNotTakenIn {
            message_id: MessageId(id()),
            message_type: "order.approved".to_owned(),
            type_version: 1,
            correlation_id: id(),
            body: serde_json::json!({ "customerName": 7 }),
        };
        self.read(ParkedInView {
            event: Some(event),
            actions: vec![action()],
            ..parked_in_view()
        })
    }

    fn list(&self, query: ParkedQuery) -> ReadFuture<'_, Listed<Parked>> {
        put(&self.parked_query, query);
        self.read(Listed {
            items: Vec::new(),
            next: None,
        })
    }

    fn show(&self, _: MessageId) -> ReadFuture<'_, Parked> {
        Box::pin(async { Err(ReadError::NotFound("parked message")) })
    }
}

impl Cluster for Double {
    fn state(&self) -> ReadFuture<'_, ClusterState> {
        self.read(ClusterState {
            node_id: "node-1".to_owned(),
            nodes: Vec::new(),
            shards: Vec::new(),
        })
    }
}

impl ViewStates for Double {
    fn views(&self) -> ReadFuture<'_, Vec<ViewStatus>> {
        let (name, backend) = ("orders".to_owned(), "sqlite".to_owned());
        self.read(vec![ViewStatus {
            name,
            backend,
            state: ViewState::Live,
            lag: 0,
            generation: Some(1),
            kept: None,
            progress: None,
            error: None,
            quarantined: Vec::new(),
        }])
    }
}

impl ViewOperations for Double {
    fn rebuild<'a>(
        &'a self,
        name: &'a str,
        from: BuildFrom,
        by: Operator,
        binding: Option<RequestBinding>,
    ) -> ReadFuture<'a, RebuildBegun> {
        put(&self.operated, ("rebuild", by));
        self.operation(
            binding,
            RebuildBegun {
                name: name.to_owned(),
                generation: 2,
                from,
            },
        )
    }

    fn revert<'a>(
        &'a self,
        name: &'a str,
        by: Operator,
        binding: Option<RequestBinding>,
    ) -> ReadFuture<'a, ViewReverted> {
        put(&self.operated, ("revert", by));
        self.operation(
            binding,
            ViewReverted {
                name: name.to_owned(),
                generation: 1,
                done: !*self.repeated.lock().unwrap(),
            },
        )
    }

    fn heal<'a>(
        &'a self,
        name: &'a str,
        entity_id: Uuid,
        by: Operator,
        binding: Option<RequestBinding>,
    ) -> ReadFuture<'a, ViewHealed> {
        put(&self.operated, ("heal", by));
        self.operation(
            binding,
            ViewHealed {
                name: name.to_owned(),
                entity_id,
                version: 3,
            },
        )
    }
}

impl Health for Double {
    fn readiness(&self) -> futures_util::future::LocalBoxFuture<'_, Readiness> {
        let missing = self.missing.lock().unwrap().clone();
        Box::pin(async {
            Readiness {
                missing,
                degraded: vec!["search".to_owned()],
            }
        })
    }
}
