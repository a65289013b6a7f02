//! Names of services, as registered values.
//!
//! The mechanism names no service. Whoever builds one declares it as a constant and registers it
//! once, where its node is put together; from then on its name and its number, as they stand in
//! tables and tokens, can be read back.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{PoisonError, RwLock};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

static REGISTERED: RwLock<Vec<Service>> = RwLock::new(Vec::new());

/// A bounded context with a private database, inbox and events.
///
/// ```
/// use sagas::Service;
///
/// pub const FLIGHTS: Service = Service::new(1, "flights");
///
/// FLIGHTS.register().unwrap();
/// assert_eq!(Service::from_name("flights"), Some(FLIGHTS));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    number: u8,
    name: &'static str,
}

/// Another service has been registered with the same name or number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "service {new} has number {}, and {existing} is registered with {}",
    .new.number(),
    .existing.number()
)]
pub struct ServiceConflict {
    /// The one that was refused.
    pub new: Service,
    /// The one that is registered.
    pub existing: Service,
}

impl Service {
    /// A service. Its number stands in message ids and tokens, its name in tables, logs and
    /// metrics: neither is ever given to another.
    #[must_use]
    pub const fn new(number: u8, name: &'static str) -> Self {
        Service { number, name }
    }

    /// As it stands in tables, logs and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// As it stands in message ids and tokens.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.number
    }

    /// Makes the service known to [`from_name`](Service::from_name) and
    /// [`from_number`](Service::from_number). Registering it again changes nothing.
    ///
    /// # Errors
    /// When another one has the same name or number.
    pub fn register(self) -> Result<(), ServiceConflict> {
        let mut registered = REGISTERED.write().unwrap_or_else(PoisonError::into_inner);
        let alike = |other: &&Service| other.number == self.number || other.name == self.name;

        match registered.iter().find(alike) {
            Some(existing) if *existing == self => Ok(()),
            Some(existing) => Err(ServiceConflict {
                new: self,
                existing: *existing,
            }),
            None => {
                registered.push(self);
                Ok(())
            }
        }
    }

    /// The registered service of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Service> {
        Service::find(|service| service.name == name)
    }

    /// The registered service of this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Service> {
        Service::find(|service| service.number == number)
    }

    fn find(wanted: impl Fn(&Service) -> bool) -> Option<Service> {
        let registered = REGISTERED.read().unwrap_or_else(PoisonError::into_inner);
        registered.iter().copied().find(wanted)
    }
}

// By the number alone: it identifies the service, and every message looks it up.
impl Hash for Service {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.number.hash(state);
    }
}

impl PartialOrd for Service {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Service {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        // Every message is looked up by it: a text is compared only where it is not the same one.
        let names = || match std::ptr::eq(self.name, other.name) {
            true => Ordering::Equal,
            false => self.name.cmp(other.name),
        };
        self.number.cmp(&other.number).then_with(names)
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Serialize for Service {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name)
    }
}

impl<'de> Deserialize<'de> for Service {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Service::from_name(&name)
            .ok_or_else(|| de::Error::custom(format!("no service {name:?} is registered")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOTELS: Service = Service::new(201, "hotels");

    #[test]
    fn a_registered_service_is_found_by_name_and_number_and_reads_back() {
        HOTELS.register().unwrap();
        HOTELS.register().unwrap();

        assert_eq!(Service::from_name("hotels"), Some(HOTELS));
        assert_eq!(Service::from_number(201), Some(HOTELS));

        let json = serde_json::to_string(&HOTELS).unwrap();
        assert_eq!(json, "\"hotels\"");
        assert_eq!(serde_json::from_str::<Service>(&json).unwrap(), HOTELS);
    }

    #[test]
    fn a_name_or_a_number_is_never_given_twice() {
        HOTELS.register().unwrap();

        let same_number = Service::new(201, "motels").register().unwrap_err();
        assert_eq!(same_number.existing, HOTELS);
        assert!(Service::new(202, "hotels").register().is_err());
        assert_eq!(Service::from_name("motels"), None);
    }

    #[test]
    fn a_service_that_nobody_registered_is_not_read() {
        let error = serde_json::from_str::<Service>("\"ferries\"").unwrap_err();
        assert!(error.to_string().contains("ferries"), "{error}");
    }
}
