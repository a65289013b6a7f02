//! What waking brings into memory: a saga with the entity it works on, or an entity that waits by
//! itself, and nothing beside.

use domain::Order;
use metrics::Counter;

use super::*;
use crate::entities::{Entities, Surroundings};

fn entities(fixture: &Fixture, order: Uuid) -> Entities<Order> {
    Entities::new(Surroundings {
        shard: ShardId::of(domain::ORDERS, order, SHARDS),
        shards: SHARDS,
        database: fixture.parts.databases[1].clone(),
        policy: SagaPolicy::default(),
        faults: fixture.parts.faults.clone(),
        loading: store::Loading::Row,
        actors_per_shard: 100,
        activated: Counter::noop(),
    })
}

#[test]
fn waking_a_saga_looks_for_no_entity_of_its_id_and_waking_an_order_finds_it() {
    run(async {
        let fixture = Fixture::start(folder(), "").await;
        let customer = fixture.customer(1_000).await;
        let ended = fixture.order(customer, 100).await;
        let (saga, order) = (ended.saga_id.unwrap().0, ended.entity.id.0);

        let mut woken = entities(&fixture, order);
        woken.want_for_timer(saga);
        woken.load().await.unwrap();
        assert_eq!(woken.live(), 2, "the saga and its order");

        let mut woken = entities(&fixture, order);
        woken.want_for_timer(order);
        woken.load().await.unwrap();
        assert_eq!(woken.live(), 1, "the order");
        drop(woken);
        fixture.stop().await;
    });
}
