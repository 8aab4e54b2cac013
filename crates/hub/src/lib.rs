//! A Grafolean-compatible backend, embedded: the API, the storage and the page of one machine.
//!
//! A [`Hub`] is a data directory that is open. It can be served ([`Hub::listen`]), and worked on directly: users,
//! bots, a backup. Everything is in one SQLite file; nothing else has to run.
//!
//! ```
//! use grafolean_hub::{FirstStart, Hub, HubOptions};
//!
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! # let directory = tempfile::tempdir()?;
//! let hub = Hub::open(HubOptions::new(directory.path())).await?;
//! let started = hub.first_start(&FirstStart::default()).await?;
//! // Bots are given this address and their token.
//! let listening = hub.listen("127.0.0.1:0".parse()?, None).await?;
//! println!("BACKEND_URL={}/api", listening.url());
//! assert_eq!(started.bots.len(), 3);
//! // Who opens this link may create the first person.
//! let token = hub.setup_link_token()?.expect("nobody is there yet");
//! println!("{}/#/setup/{token}", listening.url());
//! listening.stop().await;
//! hub.close().await;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! # Ok::<(), std::io::Error>(())
//! ```

mod api;
mod auth;
mod clock;
mod error;
mod first_start;
#[cfg(fuzzing)]
pub mod fuzzing;
mod http;
mod hub;
mod people;
mod store;
mod ui;

pub use error::HubError;
pub use first_start::{FirstStart, LocalBot, Started};
pub use http::tls::{TlsError, TlsFiles};
pub use hub::{Hub, HubOptions, Listening};
pub use people::{BotInfo, NewUser, UserInfo};
pub use store::OpenError;
#[doc(hidden)]
pub use store::benching;
