//! Each function against an oracle: all observations kept, and computed anew.

mod support;

mod baseline;
mod familiar;
mod hostile;
mod hours;
mod joined;
mod labels;
mod links;
mod memory;
mod place;
mod quantiles;
mod rarity;
mod telling;
mod window;
