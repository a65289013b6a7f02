//! The wire form of messages: an explicit name and version beside a JSON body, never a Rust type's
//! name.
//!
//! A name, once written, means the same for ever. What a body only gains is an optional field, and
//! the version stays. When a body comes to mean something else, the message gets a new version, and
//! the code keeps reading the old ones: data of years ago must still be readable.
//!
//! An old version is a type of its own that never changes again. It is *upcast*: it says by `From`
//! what it means in the version after it, and that one in the next, so that code knows today's
//! alone. And as long as a message still fits an old version, it can be written as such, for nodes
//! of the release before:
//!
//! ```
//! use sagas::wire_messages;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
//! pub struct SeatTaken {
//!     pub row: u32,
//!     /// Version 1 did not say it: there was one deck.
//!     pub deck: u32,
//! }
//!
//! #[derive(Deserialize)]
//! pub struct SeatTakenV1 {
//!     row: u32,
//! }
//!
//! impl From<SeatTakenV1> for SeatTaken {
//!     fn from(old: SeatTakenV1) -> Self {
//!         SeatTaken { row: old.row, deck: 1 }
//!     }
//! }
//!
//! wire_messages! {
//!     pub enum SeatEvent {
//!         Taken(SeatTaken) = "seat.taken" 2 reads { 1: SeatTakenV1 },
//!     }
//! }
//!
//! let old = SeatEvent::decode("seat.taken", 1, r#"{"row":7}"#).unwrap();
//! assert_eq!(old, SeatEvent::Taken(SeatTaken { row: 7, deck: 1 }));
//! assert_eq!(old.wire_name(), ("seat.taken", 2));
//! ```

pub mod names;

use serde_json::value::RawValue;

// For `wire_messages!`, so that its users need not depend on it themselves.
#[doc(hidden)]
pub use serde_json;

/// Why a message cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// This release knows no such name, or not in this version.
    #[error("unknown message type {name} version {version}")]
    UnknownType {
        /// The wire name.
        name: String,
        /// The version of the wire form.
        version: u16,
    },
    /// The name is known, but the body does not fit it.
    #[error("malformed body of {name} version {version}")]
    MalformedBody {
        /// The wire name.
        name: String,
        /// The version of the wire form.
        version: u16,
        /// Where the body does not fit.
        source: serde_json::Error,
    },
}

/// A JSON body as it stands in the outbox and in the log.
pub type Body = Box<RawValue>;

/// Messages of one kind, as [`wire_messages!`](crate::wire_messages) declares them.
pub trait WireMessage: Sized + Clone + std::fmt::Debug + Send + 'static {
    /// The wire names of all messages of this kind, with their newest versions.
    const WIRE_NAMES: &'static [(&'static str, u16)];

    /// The name and version under which this message is written.
    fn wire_name(&self) -> (&'static str, u16);

    /// The JSON body.
    ///
    /// # Errors
    /// When the body has no JSON form.
    fn encode(&self) -> Result<Body, serde_json::Error>;

    /// Reads a message back.
    ///
    /// # Errors
    /// An unknown name or version, or a body of another shape.
    fn decode(name: &str, version: u16, body: &str) -> Result<Self, WireError>;
}

/// Declares an enum of messages with their wire names and versions, and how to write and read them.
///
/// Behind a version stands what else there is of it: `reads { 1: Old }` names the types of older
/// versions, each of which becomes the body by `From`; `writes 1 while FITS` has a body written in
/// that older version for which `FITS` (a function of it) holds, and whose JSON then has that form.
#[macro_export]
macro_rules! wire_messages {
    (
        $(#[$doc:meta])*
        pub enum $name:ident {
            $(
                $(#[$variant_doc:meta])*
                $variant:ident($body:ty) = $wire:literal $version:literal
                $(reads { $($read:literal: $old:ty),+ $(,)? })?
                $(writes $written:literal while $fits:path)?,
            )+
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_doc])* $variant($body),)+
        }

        impl $name {
            /// The wire names of all messages of this kind, with their newest versions.
            pub const WIRE_NAMES: &'static [(&'static str, u16)] = &[$(($wire, $version)),+];

            /// The name and version under which this message is written.
            #[must_use]
            pub fn wire_name(&self) -> (&'static str, u16) {
                match self {
                    $(
                        $(Self::$variant(body) if $fits(body) => ($wire, $written),)?
                        Self::$variant(_) => ($wire, $version),
                    )+
                }
            }

            /// The JSON body.
            ///
            /// # Errors
            /// When the body has no JSON form; every declared body has one.
            pub fn encode(&self) -> Result<$crate::wire::Body, $crate::wire::serde_json::Error> {
                match self {
                    $(Self::$variant(body) => $crate::wire::serde_json::value::to_raw_value(body),)+
                }
            }

            /// Reads a message back.
            ///
            /// # Errors
            /// An unknown name or version, or a body of another shape.
            pub fn decode(
                name: &str,
                version: u16,
                body: &str,
            ) -> Result<Self, $crate::wire::WireError> {
                let malformed = |source| $crate::wire::WireError::MalformedBody {
                    name: name.to_owned(),
                    version,
                    source,
                };

                match (name, version) {
                    $(
                        ($wire, $version) => $crate::wire::serde_json::from_str(body)
                            .map(Self::$variant)
                            .map_err(malformed),
                        $($(
                            ($wire, $read) => $crate::wire::serde_json::from_str::<$old>(body)
                                .map(|old| Self::$variant(old.into()))
                                .map_err(malformed),
                        )+)?
                    )+
                    _ => Err($crate::wire::WireError::UnknownType {
                        name: name.to_owned(),
                        version,
                    }),
                }
            }
        }

        impl $crate::wire::WireMessage for $name {
            const WIRE_NAMES: &'static [(&'static str, u16)] = $name::WIRE_NAMES;

            fn wire_name(&self) -> (&'static str, u16) {
                $name::wire_name(self)
            }

            fn encode(&self) -> Result<$crate::wire::Body, $crate::wire::serde_json::Error> {
                $name::encode(self)
            }

            fn decode(
                name: &str,
                version: u16,
                body: &str,
            ) -> Result<Self, $crate::wire::WireError> {
                $name::decode(name, version, body)
            }
        }
    };
}
