//! A whole bot against a fake backend: how it keeps time, survives bad company, and stops.

mod configuration;
mod health;
mod outages;
mod scripted;
mod starting;
mod stopping;
mod timetable;
