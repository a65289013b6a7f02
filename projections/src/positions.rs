//! How positions are written down inside a view: `{"senders":[[0,17],[3,4]],"parcels":[[0,9]]}`.

use std::collections::BTreeMap;

use sagas::{Service, ShardId};
use store::Positions;

/// The JSON text of positions.
///
/// # Errors
/// None that these types can bring about.
pub fn to_json(positions: &Positions) -> Result<String, serde_json::Error> {
    let mut by_service: BTreeMap<Service, Vec<(u16, u64)>> = BTreeMap::new();
    for (shard, sequence) in positions {
        by_service
            .entry(shard.service)
            .or_default()
            .push((shard.number, *sequence));
    }
    serde_json::to_string(&by_service)
}

/// Reads positions back.
///
/// # Errors
/// When the text is not of this form.
pub fn from_json(text: &str) -> Result<Positions, serde_json::Error> {
    let by_service: BTreeMap<Service, Vec<(u16, u64)>> = serde_json::from_str(text)?;
    let shards = by_service.into_iter().flat_map(|(service, shards)| {
        shards
            .into_iter()
            .map(move |(number, sequence)| (ShardId::new(service, number), sequence))
    });
    Ok(shards.collect())
}

/// Raises positions to what others have, shard by shard; none goes back.
pub(crate) fn raise(positions: &mut Positions, others: &Positions) {
    for (shard, sequence) in others {
        let known = positions.entry(*shard).or_default();
        *known = (*known).max(*sequence);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_read_back_as_they_were_written() {
        let (senders, parcels) = (Service::new(211, "senders"), Service::new(212, "parcels"));
        for service in [senders, parcels] {
            service.register().unwrap();
        }

        let positions = Positions::from([
            (ShardId::new(parcels, 3), 17),
            (ShardId::new(senders, 0), 4),
        ]);
        let text = to_json(&positions).unwrap();
        assert_eq!(text, r#"{"senders":[[0,4]],"parcels":[[3,17]]}"#);
        assert_eq!(from_json(&text).unwrap(), positions);
        assert_eq!(from_json("{}").unwrap(), Positions::new());
    }
}
