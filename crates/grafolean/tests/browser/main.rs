//! The page as a person uses it: in a real browser, against the program as it is started.

mod driver;
mod first_start;
mod rights;
#[path = "../support/scene.rs"]
mod scene;
#[path = "../../../../bots/snmp/tests/support/mod.rs"]
mod simulated;
mod snmp_device;
