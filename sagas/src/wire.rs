//! The wire form of messages: an explicit name and version beside a JSON body, never a Rust type's
//! name.
//!
//! A name, once written, means the same for ever. When a body must change, the message gets a new
//! version, and the code keeps decoding the old one (an *upcast*): data of years ago must still be
//! readable.

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
    UnknownType { name: String, version: u16 },
    /// The name is known, but the body does not fit it.
    #[error("malformed body of {name} version {version}")]
    MalformedBody {
        name: String,
        version: u16,
        source: serde_json::Error,
    },
}

/// A JSON body as it stands in the outbox and in the log.
pub type Body = Box<RawValue>;

/// Messages of one kind, as [`wire_messages!`](crate::wire_messages) declares them.
pub trait WireMessage: Sized + Clone + std::fmt::Debug + Send + 'static {
    /// The wire names of all messages of this kind, with the version that is written.
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
#[macro_export]
macro_rules! wire_messages {
    (
        $(#[$doc:meta])*
        pub enum $name:ident {
            $($(#[$variant_doc:meta])* $variant:ident($body:ty) = $wire:literal $version:literal,)+
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_doc])* $variant($body),)+
        }

        impl $name {
            /// The wire names of all messages of this kind, with the version that is written.
            pub const WIRE_NAMES: &'static [(&'static str, u16)] = &[$(($wire, $version)),+];

            /// The name and version under which this message is written.
            #[must_use]
            pub fn wire_name(&self) -> (&'static str, u16) {
                match self {
                    $(Self::$variant(_) => ($wire, $version),)+
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
                    $(($wire, $version) => $crate::wire::serde_json::from_str(body)
                        .map(Self::$variant)
                        .map_err(malformed),)+
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
