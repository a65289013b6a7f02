//! Which node owns which shard: fixed for a run, so that nobody has to be asked.

use uuid::Uuid;

use super::SHARDS;

/// The shards of both services, their partitions and their nodes.
#[derive(Debug, Clone, Copy)]
pub struct Ownership {
    /// The number of this node, from 0.
    pub node: u8,
    /// How many nodes there are.
    pub nodes: u8,
    /// How many partitions each topic has; several shards may share one.
    pub partitions: u8,
}

impl Ownership {
    /// The partition in which everything to this shard stands.
    #[must_use]
    pub fn partition(self, shard: u8) -> u8 {
        shard.checked_rem(self.partitions).unwrap_or_default()
    }

    /// Whether this node owns the shard.
    #[must_use]
    pub fn has(self, shard: u8) -> bool {
        self.has_partition(self.partition(shard))
    }

    fn has_partition(self, partition: u8) -> bool {
        partition.checked_rem(self.nodes) == Some(self.node)
    }

    /// The shards of this node.
    pub fn shards(self) -> impl Iterator<Item = u8> {
        (0..SHARDS).filter(move |shard| self.has(*shard))
    }

    /// The partitions of this node.
    pub fn own_partitions(self) -> impl Iterator<Item = u8> {
        (0..self.partitions).filter(move |partition| self.has_partition(*partition))
    }
}

/// The shard of the entity with this id.
#[must_use]
pub fn shard_of(id: Uuid) -> u8 {
    let [.., last] = id.into_bytes();
    last % SHARDS
}

/// A new id in this shard.
#[must_use]
pub fn id_in(shard: u8) -> Uuid {
    let mut bytes = Uuid::now_v7().into_bytes();
    let [.., last] = &mut bytes;
    *last = *last - *last % SHARDS + shard;
    Uuid::from_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shard_has_one_node_and_every_node_has_shards() {
        for (nodes, partitions) in [(1, 1), (1, 16), (3, 3), (3, 4), (3, 16), (16, 16)] {
            let of = |node| Ownership {
                node,
                nodes,
                partitions,
            };
            for shard in 0..SHARDS {
                let owners = (0..nodes).filter(|node| of(*node).has(shard)).count();
                assert_eq!(owners, 1, "shard {shard} with {partitions} partitions");
            }
            for node in 0..nodes {
                assert!(of(node).shards().count() >= usize::from(SHARDS / partitions));
                assert!(of(node).own_partitions().count() > 0);
            }
        }
    }

    #[test]
    fn a_new_id_lies_in_the_shard_it_was_made_for() {
        for shard in 0..SHARDS {
            assert_eq!(shard_of(id_in(shard)), shard);
        }
    }
}
