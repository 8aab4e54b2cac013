//! For the tests of bots: a backend that is as strict as a real one, and that can misbehave.
//!
//! [`FakeBackend`] is a real HTTP server on a loopback port; [`FakeApi`] is the same without a network, for
//! simulated time, which [`TestClock`] tells. The rules, the faults and the eyes of both are those of
//! [`FakeGrafolean`], which knows nothing of sockets and clocks. [`run_once`] performs all jobs of a bot once.

mod changes;
mod defaults;
mod device;
mod fake_api;
mod fake_backend;
mod faults;
mod grafolean;
mod lists;
mod misbehave;
mod run_once;
mod setup;
mod state;
mod test_clock;
mod values;

pub use device::Device;
pub use fake_api::FakeApi;
pub use fake_backend::FakeBackend;
pub use grafolean::{FakeGrafolean, SeenRequest};
pub use lists::RecordKind;
pub use run_once::run_once;
pub use test_clock::TestClock;
