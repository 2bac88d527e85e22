//! A JSON client's connection: one user, any number of rooms.

mod joined_room;
mod member;
mod rooms;
mod session;
mod token;
mod user;

pub use session::JsonSession;
