//! Trying a saga out without any infrastructure.
//!
//! A [story](given) tells what a saga does, one thing after the other:
//!
//! ```
//! # use sagas::testing::{given, replied, replied_late, stopped};
//! # use sagas::{Action, Address, Definition, Meaning, SagaData, SagaState, Service, Step};
//! # use sagas::wire_messages;
//! # use serde::{Deserialize, Serialize};
//! # const HOTELS: Service = Service::new(1, "hotels");
//! #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
//! struct Booking {
//!     hotel: uuid::Uuid,
//!     nights: u32,
//! }
//!
//! #[derive(Clone, Copy, Debug, PartialEq, Eq)]
//! enum Local {
//!     Confirm,
//! }
//!
//! # #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
//! # pub struct Nights { nights: u32 }
//! wire_messages! {
//!     pub enum HotelCommand {
//!         Reserve(Nights) = "hotel.reserve" 1,
//!         Release(Nights) = "hotel.release" 1,
//!     }
//! }
//! wire_messages! {
//!     pub enum HotelReply {
//!         Reserved(Nights) = "hotel.reserved-reply" 1,
//!         Full(Nights) = "hotel.full-reply" 1,
//!         Released(Nights) = "hotel.released-reply" 1,
//!     }
//! }
//!
//! impl SagaData for Booking {
//!     type Local = Local;
//!     type Command = HotelCommand;
//!     type Reply = HotelReply;
//! }
//!
//! static BOOK_ROOM: Definition<Booking> = Definition::new(
//!     "book-room",
//!     &[
//!         Step::new(
//!             "reserve-room",
//!             Action::Ask {
//!                 to: hotel,
//!                 command: reserve,
//!                 replies: &[
//!                     ("hotel.reserved-reply", Meaning::Done),
//!                     ("hotel.full-reply", Meaning::Refused("FULL")),
//!                 ],
//!             },
//!         )
//!         .compensated_by(Action::Ask {
//!             to: hotel,
//!             command: release,
//!             replies: &[("hotel.released-reply", Meaning::Done)],
//!         }),
//!         Step::new("confirm", Action::Local(Local::Confirm)),
//!     ],
//! );
//!
//! fn hotel(booking: &Booking) -> Address {
//!     Address::new(HOTELS, booking.hotel)
//! }
//! # fn nights(booking: &Booking) -> Nights { Nights { nights: booking.nights } }
//! # fn reserve(booking: &Booking) -> HotelCommand { HotelCommand::Reserve(nights(booking)) }
//! # fn release(booking: &Booking) -> HotelCommand { HotelCommand::Release(nights(booking)) }
//!
//! assert_eq!(BOOK_ROOM.mistakes(), []);
//!
//! given(&BOOK_ROOM, Booking::default())
//!     .then_sends(["hotel.reserve"])
//!     .when(replied(HotelReply::Full(Nights::default())))
//!     .then_sends([])
//!     .then_state(SagaState::Compensated)
//!     .then_reason("FULL");
//!
//! given(&BOOK_ROOM, Booking::default())
//!     .when(stopped())
//!     .then_sends(["hotel.release"])
//!     .when(replied_late(HotelReply::Reserved(Nights::default())))
//!     .then_state(SagaState::Compensating)
//!     .when(replied(HotelReply::Released(Nights::default())))
//!     .then_state(SagaState::Compensated);
//! ```
//!
//! [`survives_everything`] runs it in a [`World`] of models: every step fails, everything comes
//! twice, late or in another order, the process restarts, somebody stops the saga at any moment.
//! When a saga has ended, the world says whether everything is as it should be.

mod chance;
mod everything;
mod simulation;
mod story;
mod world;

pub use chance::Chance;
pub use everything::survives_everything;
pub use story::{
    Story, When, abandoned, given, given_after_first_step, local_refused, nested_replied, replied,
    replied_late, retried, stopped, woken,
};
pub use world::World;
