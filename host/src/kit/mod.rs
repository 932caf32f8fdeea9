//! The integrator's kit: a driver tried without a hub, against an instrument that answers as it is told.
//!
//! A `case` says what the instrument is and what happens; a `stage` joins the driver to it over the hub's real links; `play` walks the
//! case; `conform` puts the driver through what every driver must stand; `bench` is one device beside a real instrument.
//!
//! Invariant: the driver is the component that will run at the plant, loaded, limited and linked as a hub does it.

pub mod address;
pub mod case;
pub mod conform;
mod members;
pub mod outgoing;
pub mod play;
pub mod record;
pub mod refusal;
pub mod rehearsal;
pub mod site;
pub mod stage;
mod teller;
pub mod told;
