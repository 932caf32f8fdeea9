//! What a driver plugin for Tutin is written with.
//!
//! A driver is one type that implements [`Driver`] and one line, `tutin_sdk::export!(MyDriver);`. The SDK turns the
//! settings into a type, samples into the columns of the contract, and a Modbus link into ordinary functions. The
//! contract itself, with all units, ranges and codes, is the text of `wit/driver/driver.wit`.
//!
//! Two rules keep a driver testable. Decoding is pure: words in, samples out. And the link is a type parameter
//! ([`modbus::Registers`]), so that a test on the developer's machine reads a [`modbus::fake::Bank`] where the plugin reads
//! the instrument.
//!
//! ```
//! use tutin_sdk::modbus::{Link, Registers, Table, Block};
//! use tutin_sdk::words::{Format, WordOrder};
//! use tutin_sdk::{Description, Driver, Failure, Point, Sample, Samples, Timestamp};
//!
//! /// One temperature at holding registers 0 and 1.
//! struct Thermometer<L> {
//!     link: L,
//! }
//!
//! #[derive(serde::Deserialize, schemars::JsonSchema)]
//! #[serde(deny_unknown_fields)]
//! struct Settings {
//!     /// Which of the two words comes first.
//!     word_order: WordOrder,
//! }
//!
//! impl Driver for Thermometer<Link> {
//!     type Settings = Settings;
//!
//!     fn description() -> Description {
//!         Description::new("thermometer", env!("CARGO_PKG_VERSION")).modbus("the instrument")
//!     }
//!
//!     fn open(_settings: Settings) -> Result<Self, Failure> {
//!         Ok(Thermometer { link: Link::open("main")? })
//!     }
//!
//!     fn points(&self) -> Vec<Point> {
//!         vec![Point::number("temperature", "Temperature", "Cel")]
//!     }
//!
//!     fn poll(&mut self, _now: Timestamp) -> Result<Samples, Failure> {
//!         let block = Block { table: Table::Holding, address: 0, count: 2 };
//!         let words = block.words(&self.link).map_err(|err| err.during(block))?;
//!         let raw = WordOrder::HighFirst.assemble(&words);
//!         let mut samples = Samples::with_capacity(1);
//!         samples.push(Sample::new(0, Format::F32.value(raw)).raw(raw));
//!         Ok(samples)
//!     }
//! }
//!
//! tutin_sdk::export!(Thermometer<Link>);
//! ```

extern crate self as tutin_sdk;

#[doc(hidden)]
pub mod bindings;
#[cfg(not(target_arch = "wasm32"))]
pub mod case;
pub mod clock;
mod driver;
#[doc(hidden)]
pub mod exported;
mod failure;
mod hex;
pub mod log;
pub mod modbus;
pub mod mqtt;
pub mod opcua;
mod samples;
pub mod settings;
mod state;
pub mod stream;
pub mod words;

pub use driver::{Description, Driver, History, Point, PointKind, Timestamp};
pub use failure::Failure;
pub use hex::hex;
pub use samples::{Columns, Sample, Samples};
pub use state::{Qualifier, Qualifiers, State};

/// Makes the type the driver of this component. Once per crate; nothing is exported in native builds, so that drivers
/// link into tests.
#[macro_export]
macro_rules! export {
    ($driver:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Exported = $crate::exported::Exported<$driver>;
    $crate::bindings::export!(Exported with_types_in $crate::bindings);
        };
    };
}
