//! Build monitoring collectors that Grafolean controls.

mod http_server;
#[cfg(feature = "testing")]
pub mod testing;
