//! The entities that views take in no longer, because one of their events cannot be applied: listed,
//! and counted by cause.

use std::collections::BTreeMap;

use domain::Service;
use projections::{QuarantinedEntity, Views};
use store::Clock;
use store::inspection::{Cause, without_ids};

use crate::ports::{ParkedInView, ParkedQuery, QuarantineCause};

/// Lists at most so many of each view: with more, the release or its store is wrong.
const OF_A_VIEW: usize = 100;

/// Those that a query asks for, oldest first.
pub(super) fn list(views: &Views, query: &ParkedQuery) -> Vec<ParkedInView> {
    // They are no messages, and all stand on the first page.
    if query.message_type.is_some() || query.page.cursor.is_some() {
        return Vec::new();
    }

    let before = query
        .older_than
        .map(|age| Clock::system().now().before(age));
    let cause = query.cause.as_deref().map(Cause::containing);
    let is_meant = |entity: &QuarantinedEntity| {
        let service = entity.source.service;
        query.service.is_none_or(|meant| meant == service)
            && query.entity.is_none_or(|meant| meant == entity.entity)
            && before.is_none_or(|time| entity.time < time)
            && cause
                .as_ref()
                .is_none_or(|meant| meant.is_in(&entity.cause))
    };

    let mut all = Vec::new();
    for view in views.all() {
        let mut meant = view.quarantined();
        meant.retain(is_meant);
        meant.sort_by_key(|entity| entity.time);
        meant.truncate(OF_A_VIEW);
        all.extend(meant.into_iter().map(|entity| shown(view.name(), entity)));
    }
    all.sort_by_key(|entity| entity.since);
    all
}

fn shown(view: &'static str, entity: QuarantinedEntity) -> ParkedInView {
    let service = entity.source.service;
    let kind = match service == domain::ORDERS {
        true => "order",
        false => "customer",
    };
    ParkedInView {
        view,
        service: Service::name(service).to_owned(),
        entity_type: kind.to_owned(),
        entity_id: entity.entity,
        version: entity.version,
        since: entity.time,
        cause: entity.cause,
    }
}

/// How many there are for which cause.
pub(super) fn causes(views: &Views) -> Vec<QuarantineCause> {
    let mut counts: BTreeMap<(&'static str, Service, String), QuarantineCause> = BTreeMap::new();

    for view in views.all() {
        for entity in view.quarantined() {
            let (service, cause) = (entity.source.service, without_ids(&entity.cause));
            let key = (view.name(), service, cause.clone());
            let count = counts.entry(key).or_insert_with(|| QuarantineCause {
                cause,
                service: service.name().to_owned(),
                view: Some(view.name()),
                messages: 0,
                since: entity.time,
                newest: entity.time,
            });
            count.messages += 1;
            count.since = count.since.min(entity.time);
            count.newest = count.newest.max(entity.time);
        }
    }

    let mut causes: Vec<_> = counts.into_values().collect();
    causes.sort_by_key(|cause| std::cmp::Reverse(cause.messages));
    causes
}
