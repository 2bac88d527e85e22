//! `/ws`, the JSON protocol: for each thing that a client may say what is taken, what is refused, and where the limit is.

mod faults;
mod hostile;
mod limits;
mod messages;
mod opening;
mod people;
mod rest;
mod rooms;
mod steps;
mod timeline;
mod tokens;
mod well_formed;
