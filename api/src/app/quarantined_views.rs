//! The entities that views take in no longer, because one of their events cannot be applied:
//! listed, found, and counted by cause.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{Service, ShardId, Timestamp};
use projections::views::AnyView;
use projections::{QuarantinedEntity, Views};
use store::Clock;
use store::inspection::{Cause, without_ids};
use uuid::Uuid;

use super::shown::absent;
use crate::ports::{
    InViewsQuery, Listed, Page, ParkedInView, ParkedQuery, QuarantineCause, ReadError, VIEWS,
};

/// So many of each view stand beside a list of parked messages.
const OF_A_VIEW: usize = 100;

/// Which entities are meant.
struct Meant {
    view: Option<&'static str>,
    service: Option<Service>,
    entity: Option<Uuid>,
    cause: Option<Cause>,
    before: Option<Timestamp>,
}

impl Meant {
    fn includes(&self, view: &str, entity: &QuarantinedEntity) -> bool {
        let service = entity.source.service;
        self.view.is_none_or(|meant| meant == view)
            && self.service.is_none_or(|meant| meant == service)
            && self.entity.is_none_or(|meant| meant == entity.entity)
            && self.before.is_none_or(|time| since(entity) < time)
            && self
                .cause
                .as_ref()
                .is_none_or(|meant| meant.is_in(&entity.cause))
    }

    /// All of them, oldest first.
    fn find(&self, views: &Views) -> Vec<ParkedInView> {
        let mut all = Vec::new();
        for view in views.all() {
            let entities = view.quarantined().into_iter();
            let meant = entities.filter(|entity| self.includes(view.name(), entity));
            all.extend(meant.map(|entity| shown(view.name(), entity)));
        }
        all.sort_by_key(place);
        all
    }
}

/// Since when it is in quarantine. Where that was not kept, it was hardly before the event.
fn since(entity: &QuarantinedEntity) -> Timestamp {
    entity.since.unwrap_or(entity.time)
}

fn before(older_than: Option<Duration>) -> Option<Timestamp> {
    older_than.map(|age| Clock::system().now().before(age))
}

/// Where an entry stands in the list. An entity may be in several views.
type Place = (Timestamp, Uuid, &'static str);

fn place(entry: &ParkedInView) -> Place {
    (entry.since, entry.entity_id, entry.view)
}

/// Those that stand beside the messages of a query, oldest first, some of each view.
pub(super) fn beside(views: &Views, query: &ParkedQuery) -> Vec<ParkedInView> {
    // They are no messages, and all stand on the first page.
    if query.message_type.is_some() || query.page.cursor.is_some() {
        return Vec::new();
    }

    let meant = Meant {
        view: None,
        service: query.service,
        entity: query.entity,
        cause: query.cause.as_deref().map(Cause::containing),
        before: before(query.older_than),
    };
    let mut all = meant.find(views);
    let mut of_view: BTreeMap<&str, usize> = BTreeMap::new();
    all.retain(|entry| {
        let listed = of_view.entry(entry.view).or_default();
        *listed += 1;
        *listed <= OF_A_VIEW
    });
    all
}

/// A page of what views cannot take in.
///
/// # Errors
/// When the cursor is not one of this list, or the view is not shown here.
pub(super) fn list(views: &Views, query: &InViewsQuery) -> Result<Listed<ParkedInView>, ReadError> {
    if let Some(view) = query.view {
        named(views, view)?;
    }
    let meant = Meant {
        view: query.view,
        service: query.service,
        entity: query.entity,
        cause: query.cause.as_deref().map(Cause::containing),
        before: before(query.older_than),
    };
    paged(meant.find(views), &query.page)
}

/// A page of a list in its order.
fn paged(mut items: Vec<ParkedInView>, page: &Page) -> Result<Listed<ParkedInView>, ReadError> {
    if let Some(cursor) = &page.cursor {
        let after = read_place(cursor)?;
        items.retain(|entry| place(entry) > after);
    }

    let more = items.len() > page.limit;
    items.truncate(page.limit);
    let next = items.last().filter(|_| more).map(write_place);
    Ok(Listed { items, next })
}

/// An entity in a view, and the shard that has its history.
///
/// # Errors
/// When the view is not shown here, or takes the entity in.
pub(super) fn find(
    views: &Views,
    view: &str,
    entity: Uuid,
) -> Result<(ParkedInView, ShardId), ReadError> {
    let view = named(views, view)?;
    let mut all = view.quarantined().into_iter();
    let found = all.find(|known| known.entity == entity);
    let found = found.ok_or(ReadError::NotFound("entity in the quarantine of the view"))?;
    let source = found.source;
    Ok((shown(view.name(), found), source))
}

fn named<'a>(views: &'a Views, name: &str) -> Result<&'a dyn AnyView, ReadError> {
    views.named(name).ok_or_else(|| absent(name))
}

/// A cursor: the place of the last item of its page.
fn write_place(entry: &ParkedInView) -> String {
    let (since, entity, view) = place(entry);
    let mut bytes = since.micros().to_be_bytes().to_vec();
    bytes.extend_from_slice(entity.as_bytes());
    bytes.extend_from_slice(view.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

fn read_place(cursor: &str) -> Result<Place, ReadError> {
    let read = || {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (since, rest) = bytes.split_first_chunk::<8>()?;
        let (entity, view) = rest.split_first_chunk::<16>()?;
        let view = VIEWS.into_iter().find(|name| name.as_bytes() == view)?;
        let since = Timestamp::from_micros(i64::from_be_bytes(*since));
        Some((since, Uuid::from_bytes(*entity), view))
    };
    read().ok_or(ReadError::InvalidCursor)
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
        shard: entity.source.number,
        sequence: entity.sequence,
        time: entity.time,
        since: since(&entity),
        cause: entity.cause,
        event: None,
        actions: Vec::new(),
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
                since: since(&entity),
                newest: since(&entity),
            });
            count.messages += 1;
            count.since = count.since.min(since(&entity));
            count.newest = count.newest.max(since(&entity));
        }
    }

    let mut causes: Vec<_> = counts.into_values().collect();
    causes.sort_by_key(|cause| std::cmp::Reverse(cause.messages));
    causes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(view: &'static str, since: i64) -> ParkedInView {
        let entity = QuarantinedEntity {
            source: ShardId::new(domain::ORDERS, 3),
            entity: Uuid::from_u128(7),
            version: 2,
            sequence: 9,
            cause: "it is odd".to_owned(),
            time: Timestamp::from_micros(1),
            since: (since > 0).then(|| Timestamp::from_micros(since)),
        };
        shown(view, entity)
    }

    #[test]
    fn an_entity_that_several_views_stopped_at_the_same_time_is_listed_once_for_each() {
        let all = || {
            vec![
                entry("documents", 5),
                entry("search", 5),
                entry("search", 6),
            ]
        };
        let (mut cursor, mut listed) = (None, Vec::new());
        loop {
            let page = Page { limit: 1, cursor };
            let Listed { items, next } = paged(all(), &page).unwrap();
            listed.extend(items.iter().map(place));
            if next.is_none() {
                break;
            }
            cursor = next;
        }
        assert_eq!(listed, all().iter().map(place).collect::<Vec<_>>());
    }

    #[test]
    fn where_it_was_not_kept_it_is_in_quarantine_since_its_event() {
        assert_eq!(entry("search", 0).since, Timestamp::from_micros(1));
    }

    #[test]
    fn a_cursor_of_another_list_is_refused() {
        for cursor in ["", "bm8", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAb2Rk"] {
            let page = Page {
                limit: 1,
                cursor: Some(cursor.to_owned()),
            };
            let refused = paged(Vec::new(), &page).err();
            assert_eq!(refused, Some(ReadError::InvalidCursor), "{cursor}");
        }
    }
}
