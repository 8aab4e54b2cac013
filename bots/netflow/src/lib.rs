//! Grafolean's NetFlow bot.

pub mod aggregate;
pub mod archive;
pub mod books;
pub mod decode;
pub mod flow;
mod packet;
pub mod pcap;
pub mod receive;
pub mod sflow;
mod try_flows;

pub use flow::{Direction, Event, Flow, Has, Ip, Origin, Version};
pub use try_flows::try_flows;
