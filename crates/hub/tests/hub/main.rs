//! The hub as a whole, over real sockets.

mod access;
mod changes;
mod first_start;
mod inventory;
mod login;
mod observed;
mod people;
mod schemas;
mod server;
mod support;
mod values;
