//! For the tests of bots.
