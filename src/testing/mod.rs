//! For the tests of bots: a backend that is as strict as a real one, and that can misbehave.
//!
//! [`FakeBackend`] is a real HTTP server on a loopback port. Its rules, its faults and its eyes are those of
//! [`FakeGrafolean`], which knows nothing of sockets and clocks.

mod defaults;
mod device;
mod fake_backend;
mod faults;
mod grafolean;
mod lists;
mod misbehave;
mod setup;
mod state;
mod values;

pub use device::Device;
pub use fake_backend::FakeBackend;
pub use grafolean::{FakeGrafolean, SeenRequest};
pub use lists::RecordKind;
