//! Identities: shards, and the ids of sagas, messages and requests.
//!
//! All ids are UUIDs. The server makes version 7 (their order is roughly the order of creation,
//! which keeps database pages warm) and version 8 where an id follows from something else: from an
//! `Idempotency-Key`, so that a repeat finds the entity by identity alone, or from the entity a
//! saga works on.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::Service;

/// One of a service's fixed number of partitions: the unit of ownership, ordering and fencing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ShardId {
    /// The service that is divided into shards.
    pub service: Service,
    /// Counts the service's shards from 0.
    pub number: u16,
}

impl ShardId {
    /// The shard of this number.
    #[must_use]
    pub const fn new(service: Service, number: u16) -> Self {
        ShardId { service, number }
    }

    /// All shards of a service that has so many, in the order of their numbers.
    pub fn all_of(service: Service, shards: u16) -> impl Iterator<Item = ShardId> {
        (0..shards).map(move |number| ShardId::new(service, number))
    }

    /// The shard of `service` that owns the entity: 64-bit FNV-1a over the 16 bytes of its id, the
    /// upper half folded onto the lower, modulo the number of shards. The test vectors below fix it
    /// for ever, because data lies where it says.
    #[must_use]
    pub fn of(service: Service, entity: Uuid, shards: u16) -> Self {
        let hash = fnv1a_64(entity.as_bytes());
        let remainder = (hash ^ (hash >> 32)) % u64::from(shards.max(1));
        ShardId {
            service,
            number: u16::try_from(remainder).unwrap_or(0),
        }
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.service, self.number)
    }
}

/// Fowler-Noll-Vo 1a, 64 bits (<http://www.isthe.com/chongo/tech/comp/fnv/>).
fn fnv1a_64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Declares the id of a kind of entity: a UUID with a type of its own.
#[macro_export]
macro_rules! entity_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
            ::serde::Serialize, ::serde::Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub ::uuid::Uuid);

        impl From<$name> for ::uuid::Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

entity_id!(
    /// Identifies one run of a saga.
    SagaId
);
entity_id!(
    /// Identifies a message: made of the place in the outbox it came from, so it names its origin.
    MessageId
);

impl SagaId {
    /// The saga of this type that began when the entity it works on reached `version`. It keeps
    /// the entity id's first 48 bits: they are the creation time of a version 7 id, so that sagas
    /// sort by age like their entities.
    #[must_use]
    pub fn derive(saga_type: &str, entity: Uuid, version: u64) -> Self {
        let mut digest = Sha256::new();
        digest.update(saga_type.as_bytes());
        digest.update(entity.as_bytes());
        digest.update(version.to_be_bytes());
        let mut bytes = first_16(&digest.finalize());
        for (target, source) in bytes.iter_mut().zip(entity.as_bytes()).take(6) {
            *target = *source;
        }
        SagaId(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }
}

impl MessageId {
    /// The message at `sequence` of the outbox of `source`.
    #[must_use]
    pub fn at(source: ShardId, sequence: u64) -> Self {
        let [shard_high, shard_low] = source.number.to_be_bytes();

        let [a, b, c, d, e, f, g, h] = sequence.to_be_bytes();
        // Bytes 6 and 8 carry the UUID's version and variant, so nothing of ours stands there.
        let bytes = [
            source.service.number(),
            shard_high,
            shard_low,
            a,
            b,
            c,
            0,
            d,
            0,
            e,
            f,
            g,
            h,
            0,
            0,
            0,
        ];

        MessageId(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }
}

/// What binds a request to its effect: the `Idempotency-Key` within its method and path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestKey([u8; 16]);

impl RequestKey {
    /// `scope` is the method and path, for example `POST /orders`.
    #[must_use]
    pub fn new(scope: &str, key: &str) -> Self {
        let mut digest = Sha256::new();
        digest.update(scope.as_bytes());
        digest.update([0]);
        digest.update(key.as_bytes());
        RequestKey(first_16(&digest.finalize()))
    }

    /// The key as an id: that of the entity which a creating request makes, and the one by which an
    /// existing entity remembers a command.
    #[must_use]
    pub fn as_uuid(self) -> Uuid {
        uuid::Builder::from_custom_bytes(self.0).into_uuid()
    }
}

/// A fingerprint of a request's value: it tells a repeat under the same key from another request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(pub Uuid);

impl Fingerprint {
    /// Of a canonical text of the request: equal values have equal texts.
    #[must_use]
    pub fn of(canonical: &[u8]) -> Self {
        Fingerprint(
            uuid::Builder::from_custom_bytes(first_16(&Sha256::digest(canonical))).into_uuid(),
        )
    }
}

fn first_16(digest: &[u8]) -> [u8; 16] {
    let mut bytes = [0; 16];
    for (target, source) in bytes.iter_mut().zip(digest) {
        *target = *source;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const CUSTOMERS: Service = Service::new(1, "customers");
    const ORDERS: Service = Service::new(2, "orders");

    /// If this fails, the code looks for existing data in the wrong shard: change the code back,
    /// not the test.
    #[test]
    fn the_shard_of_an_id_never_changes() {
        for (id, of_16, of_64) in [
            ("00000000-0000-0000-0000-000000000000", 12, 28),
            ("ffffffff-ffff-ffff-ffff-ffffffffffff", 13, 29),
            ("0190a5c8-7e2b-7c3d-8f4e-123456789abc", 8, 56),
            ("6ba7b810-9dad-11d1-80b4-00c04fd430c8", 10, 26),
        ] {
            let id: Uuid = id.parse().unwrap();
            let got = (
                ShardId::of(ORDERS, id, 16).number,
                ShardId::of(ORDERS, id, 64).number,
            );
            assert_eq!(got, (of_16, of_64), "{id}");
        }
    }

    #[test]
    fn fnv_matches_its_published_vectors() {
        assert_eq!(fnv1a_64(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a_64(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a_64(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn message_ids_are_unique_per_place_and_valid_version_8_uuids() {
        let shard = ShardId::new(ORDERS, 3);
        let ids = [
            MessageId::at(shard, 1),
            MessageId::at(shard, 2),
            MessageId::at(shard, 256),
            MessageId::at(ShardId::new(ORDERS, 4), 1),
            MessageId::at(ShardId::new(CUSTOMERS, 3), 1),
        ];
        for (index, id) in ids.iter().enumerate() {
            assert_eq!(id.0.get_version_num(), 8);
            assert!(ids.iter().skip(index + 1).all(|other| other != id));
        }
    }

    #[test]
    fn a_key_is_scoped_to_its_path() {
        let key = |scope| RequestKey::new(scope, "k1").as_uuid();
        assert_eq!(key("POST /orders"), key("POST /orders"));
        assert_ne!(key("POST /orders"), key("POST /customers"));
        assert_eq!(key("POST /orders").get_version_num(), 8);
    }

    #[test]
    fn a_saga_sorts_like_its_order() {
        let order = "0190a5c8-7e2b-7c3d-8f4e-123456789abc"
            .parse::<Uuid>()
            .unwrap();
        let saga = SagaId::derive("create-order", order, 1);
        assert_eq!(saga.0.as_bytes()[..6], order.as_bytes()[..6]);
        assert_ne!(saga, SagaId::derive("cancel-order", order, 1));
        assert_ne!(saga, SagaId::derive("create-order", order, 2));
    }
}
