//! Text from outside, made safe to show: the one list of hidden characters, the one printer, the marks that steer models, and the fence.
//!
//! Pure: no I/O, no clock, no randomness of its own, and none of our other crates. Nothing is deleted; what would hide or steer is written
//! out visibly, as `\u{…}`.

mod fence;
mod fold;
mod hidden;
mod marks;
mod neutral;
mod printer;

pub use fence::Fence;
pub use fold::looks_like_a_bracket;
pub use hidden::is_hidden;
pub use neutral::{Neutral, Shape, label, neutral, neutral_block, neutralise};
pub use printer::{is_shown, push_visible, visible, visible_block};
